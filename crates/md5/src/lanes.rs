//! MD5's compression of up to four bodies, each in a lane of its own.
//! <https://www.rfc-editor.org/rfc/rfc1321#section-3.4>

use bytes::Buf as _;
use wide::u32x4;

use super::queue::Job;

/// How many bodies are hashed at once.
pub(super) const LANES: usize = 4;

/// MD5's block.
pub(super) const BLOCK_BYTES: usize = 64;

/// The sines of 1 to 64, as the RFC tabulates them.
const SINES: [u32; 64] = [
    0xd76a_a478,
    0xe8c7_b756,
    0x2420_70db,
    0xc1bd_ceee,
    0xf57c_0faf,
    0x4787_c62a,
    0xa830_4613,
    0xfd46_9501,
    0x6980_98d8,
    0x8b44_f7af,
    0xffff_5bb1,
    0x895c_d7be,
    0x6b90_1122,
    0xfd98_7193,
    0xa679_438e,
    0x49b4_0821,
    0xf61e_2562,
    0xc040_b340,
    0x265e_5a51,
    0xe9b6_c7aa,
    0xd62f_105d,
    0x0244_1453,
    0xd8a1_e681,
    0xe7d3_fbc8,
    0x21e1_cde6,
    0xc337_07d6,
    0xf4d5_0d87,
    0x455a_14ed,
    0xa9e3_e905,
    0xfcef_a3f8,
    0x676f_02d9,
    0x8d2a_4c8a,
    0xfffa_3942,
    0x8771_f681,
    0x6d9d_6122,
    0xfde5_380c,
    0xa4be_ea44,
    0x4bde_cfa9,
    0xf6bb_4b60,
    0xbebf_bc70,
    0x289b_7ec6,
    0xeaa1_27fa,
    0xd4ef_3085,
    0x0488_1d05,
    0xd9d4_d039,
    0xe6db_99e5,
    0x1fa2_7cf8,
    0xc4ac_5665,
    0xf429_2244,
    0x432a_ff97,
    0xab94_23a7,
    0xfc93_a039,
    0x655b_59c3,
    0x8f0c_cc92,
    0xffef_f47d,
    0x8584_5dd1,
    0x6fa8_7e4f,
    0xfe2c_e6e0,
    0xa301_4314,
    0x4e08_11a1,
    0xf753_7e82,
    0xbd3a_f235,
    0x2ad7_d2bb,
    0xeb86_d391,
];

/// Hashes as many blocks of each job as all of them have, and cuts them off. Takes at most [`LANES`] jobs.
pub(super) fn hash(jobs: &mut [Job]) {
    let Some(shortest) = jobs.iter().map(|job| job.blocks.len()).min() else { return };
    if let [job] = jobs {
        // One lane is slower than no lanes.
        md5::block_api::compress(&mut job.state, job.blocks.as_chunks().0);
        job.blocks.clear();
        return;
    }
    let last = jobs.len() - 1;
    // A lane without a body repeats the last one's, and its result is not looked at.
    let bodies: [&[[u8; BLOCK_BYTES]]; LANES] =
        std::array::from_fn(|lane| jobs[lane.min(last)].blocks[..shortest].as_chunks().0);
    let mut state: [u32x4; 4] =
        std::array::from_fn(|word| u32x4::new(std::array::from_fn(|lane| jobs[lane.min(last)].state[word])));
    for index in 0..shortest / BLOCK_BYTES {
        compress(&mut state, bodies.map(|blocks| &blocks[index]));
    }
    let state = state.map(u32x4::to_array);
    for (lane, job) in jobs.iter_mut().enumerate() {
        job.state = state.map(|word| word[lane]);
        job.blocks.advance(shortest);
    }
}

/// Four of the sixteen steps of a round: `$mix` is the round's function, `$word` tells which word a step takes, the
/// four numbers at the end are the round's rotations.
macro_rules! four_steps {
    ($words:ident, $step:expr, $mix:ident, $word:ident, [$a:ident, $b:ident, $c:ident, $d:ident], [$r:literal, $s:literal, $t:literal, $u:literal]) => {
        $a = $b + rotate::<$r>($a + ($words[$word($step)] + sine($step)) + $mix($b, $c, $d));
        $d = $a + rotate::<$s>($d + ($words[$word($step + 1)] + sine($step + 1)) + $mix($a, $b, $c));
        $c = $d + rotate::<$t>($c + ($words[$word($step + 2)] + sine($step + 2)) + $mix($d, $a, $b));
        $b = $c + rotate::<$u>($b + ($words[$word($step + 3)] + sine($step + 3)) + $mix($c, $d, $a));
    };
}

/// Unrolled, because every step takes another word, sine and rotation.
macro_rules! round {
    ($words:ident, $first:literal, $mix:ident, $word:ident, $registers:tt, $rotations:tt) => {
        four_steps!($words, $first, $mix, $word, $registers, $rotations);
        four_steps!($words, $first + 4, $mix, $word, $registers, $rotations);
        four_steps!($words, $first + 8, $mix, $word, $registers, $rotations);
        four_steps!($words, $first + 12, $mix, $word, $registers, $rotations);
    };
}

#[inline(always)]
fn compress(state: &mut [u32x4; 4], blocks: [&[u8; BLOCK_BYTES]; LANES]) {
    let words: [u32x4; 16] = std::array::from_fn(|word| {
        u32x4::new(blocks.map(|block| u32::from_le_bytes(block.as_chunks().0[word])))
    });
    let [mut a, mut b, mut c, mut d] = *state;
    round!(words, 0, choose, straight, [a, b, c, d], [7, 12, 17, 22]);
    round!(words, 16, choose_by_third, by_five, [a, b, c, d], [5, 9, 14, 20]);
    round!(words, 32, parity, by_three, [a, b, c, d], [4, 11, 16, 23]);
    round!(words, 48, last_mix, by_seven, [a, b, c, d], [6, 10, 15, 21]);
    *state = [state[0] + a, state[1] + b, state[2] + c, state[3] + d];
}

/// RFC 1321's F, with one operation less.
#[inline(always)]
fn choose(b: u32x4, c: u32x4, d: u32x4) -> u32x4 {
    d ^ (b & (c ^ d))
}

/// RFC 1321's G, with one operation less.
#[inline(always)]
fn choose_by_third(b: u32x4, c: u32x4, d: u32x4) -> u32x4 {
    c ^ (d & (b ^ c))
}

/// RFC 1321's H.
#[inline(always)]
fn parity(b: u32x4, c: u32x4, d: u32x4) -> u32x4 {
    b ^ (c ^ d)
}

/// RFC 1321's I.
#[inline(always)]
fn last_mix(b: u32x4, c: u32x4, d: u32x4) -> u32x4 {
    c ^ (b | !d)
}

#[inline(always)]
fn rotate<const BITS: u32>(value: u32x4) -> u32x4 {
    (value << BITS) | (value >> (32 - BITS))
}

#[inline(always)]
fn sine(step: usize) -> u32x4 {
    u32x4::splat(SINES[step])
}

#[inline(always)]
const fn straight(step: usize) -> usize {
    step
}

#[inline(always)]
const fn by_five(step: usize) -> usize {
    (5 * step + 1) % 16
}

#[inline(always)]
const fn by_three(step: usize) -> usize {
    (3 * step + 5) % 16
}

#[inline(always)]
const fn by_seven(step: usize) -> usize {
    (7 * step) % 16
}
