//! Merge operators: what the operands of a keyspace make of a value.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// Why an operator could not make a value.
pub type MergeFailure = Box<dyn StdError + Send + Sync>;

/// Makes values of operands, for [`Keyspace::merge`](crate::Keyspace::merge).
///
/// A merge writes its operand and reads nothing. Reads, flushes and compactions call the operator later, in any thread,
/// as often as they like: it must give the same answer each time. The order of operands is that of their writes.
///
/// An operator is known by its name, which is stored: a keyspace is opened with the operator that it was made with.
pub trait MergeOperator: Send + Sync {
    /// Its name. Another one when it makes other values of the same operands.
    fn name(&self) -> &str;

    /// The value of `key`: what `operands`, oldest first, make of `base`; none when the key had no value.
    ///
    /// # Errors
    /// When no value can be made of these. Whoever reads the key gets the reason; the operands stay as they are.
    fn full(
        &self,
        key: &[u8],
        base: Option<&[u8]>,
        operands: &[&[u8]],
    ) -> Result<Vec<u8>, MergeFailure>;

    /// One operand with the effect of `operands`, oldest first; none when there is no such operand, and then they stay
    /// apart. It must not matter which neighbours are put together first.
    fn partial(&self, key: &[u8], operands: &[&[u8]]) -> Option<Vec<u8>>;
}

impl fmt::Debug for dyn MergeOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MergeOperator").field(&self.name()).finish()
    }
}

/// By name.
impl PartialEq for dyn MergeOperator {
    fn eq(&self, other: &dyn MergeOperator) -> bool {
        self.name() == other.name()
    }
}

impl Eq for dyn MergeOperator {}

/// Appends operands to the value: for lists that grow at their end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Append;

impl MergeOperator for Append {
    fn name(&self) -> &'static str {
        "append"
    }

    fn full(
        &self,
        _key: &[u8],
        base: Option<&[u8]>,
        operands: &[&[u8]],
    ) -> Result<Vec<u8>, MergeFailure> {
        let base = base.unwrap_or_default();
        let bytes = base.len() + operands.iter().map(|operand| operand.len()).sum::<usize>();
        let mut value = Vec::with_capacity(bytes);
        value.extend_from_slice(base);
        operands
            .iter()
            .for_each(|operand| value.extend_from_slice(operand));
        Ok(value)
    }

    fn partial(&self, _key: &[u8], operands: &[&[u8]]) -> Option<Vec<u8>> {
        Some(operands.concat())
    }
}

/// The operator called `name`, if this crate has it.
pub(crate) fn built_in(name: &str) -> Option<Arc<dyn MergeOperator>> {
    (name == Append.name()).then(|| Arc::new(Append) as Arc<dyn MergeOperator>)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn append_is_associative() {
        let parts: [&[u8]; 4] = [b"a", b"", b"bc", b"d"];
        let whole = Append.full(b"k", Some(b"x"), &parts).unwrap();
        assert_eq!(whole, b"xabcd");
        for split in 0..=parts.len() {
            let (older, newer) = parts.split_at(split);
            let (older, newer) = (Append.partial(b"k", older), Append.partial(b"k", newer));
            let (older, newer) = (older.unwrap(), newer.unwrap());
            assert_eq!(
                Append.full(b"k", Some(b"x"), &[&older, &newer]).unwrap(),
                whole
            );
        }
        assert_eq!(Append.full(b"k", None, &parts).unwrap(), b"abcd");
    }
}
