//! placeholder
use crate::scalar;
use half::f16;
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token(());
impl Token {
    pub(crate) fn new() -> Option<Token> { None }
    pub(crate) fn l2_f32(self, a: &[f32], b: &[f32]) -> f32 { scalar::l2_f32(a, b) }
    pub(crate) fn dot_f32(self, a: &[f32], b: &[f32]) -> f32 { scalar::dot_f32(a, b) }
    pub(crate) fn l2_f32_f16(self, a: &[f32], b: &[f16]) -> f32 { scalar::l2_f32_f16(a, b) }
    pub(crate) fn dot_f32_f16(self, a: &[f32], b: &[f16]) -> f32 { scalar::dot_f32_f16(a, b) }
    pub(crate) fn l2_f32_u8(self, a: &[f32], b: &[u8]) -> f32 { scalar::l2_f32_u8(a, b) }
    pub(crate) fn dot_f32_u8(self, a: &[f32], b: &[u8]) -> f32 { scalar::dot_f32_u8(a, b) }
    pub(crate) fn l2_f16(self, a: &[f16], b: &[f16]) -> f32 { scalar::l2_f16(a, b) }
    pub(crate) fn dot_f16(self, a: &[f16], b: &[f16]) -> f32 { scalar::dot_f16(a, b) }
    pub(crate) fn l2_u8(self, a: &[u8], b: &[u8]) -> u32 { scalar::l2_u8(a, b) }
    pub(crate) fn dot_u8(self, a: &[u8], b: &[u8]) -> u32 { scalar::dot_u8(a, b) }
    pub(crate) fn dot_u8_i8(self, a: &[u8], b: &[i8]) -> i32 { scalar::dot_u8_i8(a, b) }
    pub(crate) fn dot_u8_i8_x4(self, a: [&[u8]; 4], b: &[i8]) -> [i32; 4] { scalar::dot_u8_i8_x4(a, b) }
    pub(crate) fn dot_f32_hilo(self, a: &[f32], b: &[u8], c: &[u8]) -> f32 { scalar::dot_f32_hilo(a, b, c) }
    pub(crate) fn l2_f32_hilo(self, a: &[f32], b: &[u8], c: &[u8], o: f32, s: f32) -> f32 { scalar::l2_f32_hilo(a, b, c, o, s) }
}
