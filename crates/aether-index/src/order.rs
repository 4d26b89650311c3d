//! Floats as unsigned integers of the same order: these are compared, and sorted with what belongs to them, faster.

const SIGN: u32 = 1 << 31;

/// An integer in the place of a float; NaN comes last.
#[inline]
pub(crate) fn order(float: f32) -> u32 {
    let bits = float.to_bits();
    if float.is_nan() {
        u32::MAX
    } else if bits & SIGN == 0 {
        bits | SIGN
    } else {
        !bits
    }
}

/// The inverse of [`order`].
#[inline]
pub(crate) fn unorder(order: u32) -> f32 {
    f32::from_bits(if order & SIGN == 0 {
        !order
    } else {
        order & !SIGN
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_in_the_order_of_the_floats() {
        let floats = [
            f32::NEG_INFINITY,
            f32::MIN,
            -1.5,
            -f32::MIN_POSITIVE,
            -0.0,
            0.0,
            1e-40,
            0.25,
            f32::MAX,
            f32::INFINITY,
        ];
        assert!(floats.map(order).is_sorted_by(|a, b| a < b));
        assert_eq!(floats.map(|float| unorder(order(float))), floats);
        assert_eq!(order(f32::NAN), u32::MAX);
        assert_eq!(order(-f32::NAN), u32::MAX);
        assert!(unorder(u32::MAX).is_nan());
    }
}
