//! SHA-256 of several streams side by side (FIPS 180-4, section 6.2).
//!
//! One stream is a chain of steps, each of which waits for the one before, and that leaves much of
//! a CPU idle. Where it has instructions for SHA-256, a block of one stream and a block of the next
//! take turns: the CPU begins the second's steps while the first's wait. Where it has none, a
//! vector register takes the same step of eight streams at once; that code is written for any
//! number of streams and compiled several times: for the vectors that a CPU may have, and for
//! none. On one core of a CPU that has all of them, in MB/s: instructions 1,800 for one stream and
//! 2,290 for two (three or four are no faster); without them one stream 347 (ring is as fast),
//! eight 1,460 with AVX2 and 2,030 with AVX-512.

#![expect(
    clippy::indexing_slicing,
    reason = "arrays as long as a constant says, below which indices stay"
)]
#![expect(
    clippy::inline_always,
    reason = "what is not inlined is not compiled for the caller's instructions"
)]
#![expect(clippy::many_single_char_names, reason = "they are the standard's")]

use multiversion::multiversion;

/// The number of streams in lockstep: that of 32-bit lanes in a vector of AVX2.
const WIDTH: usize = 8;
const BLOCK: usize = 64;

/// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
#[rustfmt::skip]
const K: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4,
    0xab1c_5ed5, 0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe,
    0x9bdc_06a7, 0xc19b_f174, 0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f,
    0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da, 0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7,
    0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967, 0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc,
    0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85, 0xa2bf_e8a1, 0xa81a_664b,
    0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070, 0x19a4_c116,
    0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7,
    0xc671_78f2,
];

/// The first 32 bits of the fractional parts of the square roots of the first 8 primes.
const START: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// How streams go side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backend {
    /// A block of each in turn.
    InTurn,
    /// The same step of several streams in one vector instruction.
    Lockstep,
}

impl Backend {
    /// The faster one on this CPU.
    pub(super) fn here() -> Self {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("sha") {
            return Self::InTurn;
        }
        Self::Lockstep
    }

    /// How many streams are hashed fastest on this CPU.
    pub(super) fn streams(self) -> usize {
        match self {
            Self::InTurn => 2,
            Self::Lockstep if has_vectors() => WIDTH,
            Self::Lockstep => 1,
        }
    }
}

/// Whether lockstep is faster than ring. Not in a build that is not optimised: there the code
/// below is slow, and ring's is not.
fn has_vectors() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        !cfg!(debug_assertions) && has!("avx2") && has!("bmi1") && has!("bmi2")
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// One stream, between two pieces of it.
#[derive(Clone)]
pub(super) struct Lane {
    way: Backend,
    state: [u32; 8],
    /// Bytes of an incomplete block.
    rest: Vec<u8>,
}

impl Lane {
    pub(super) fn new(way: Backend) -> Self {
        Self { way, state: START, rest: Vec::new() }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        update(vec![(self, bytes)]);
    }

    /// Hashes the rest together with as many bytes as make it a block; gives what is left.
    fn fill_up<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if self.rest.is_empty() {
            return bytes;
        }
        let (head, tail) = bytes.split_at((BLOCK - self.rest.len()).min(bytes.len()));
        self.rest.extend_from_slice(head);
        let (blocks, _) = self.rest.as_chunks();
        if !blocks.is_empty() {
            one(self.way, &mut self.state, blocks);
            self.rest.clear();
        }
        tail
    }

    /// Returns the hash of the stream, which has `size` bytes.
    pub(super) fn finish(mut self, size: u64) -> [u8; 32] {
        let used = self.rest.len() + 1 + 8;
        let mut end = vec![0x80];
        end.resize(used.next_multiple_of(BLOCK) - used + 1, 0);
        end.extend((size * 8).to_be_bytes());
        self.update(&end);
        let mut out = [0; 32];
        for (to, word) in out.as_chunks_mut().0.iter_mut().zip(self.state) {
            *to = word.to_be_bytes();
        }
        out
    }
}

/// Updates every lane with its bytes; fastest for [`Backend::streams`] lanes with as many bytes each.
/// All go the first one's way.
pub(super) fn update(parts: Vec<(&mut Lane, &[u8])>) {
    let Some((Lane { way, .. }, _)) = parts.first() else { return };
    let way = *way;
    let mut streams: Vec<Stream> = parts
        .into_iter()
        .map(|(lane, bytes)| {
            let (blocks, rest) = lane.fill_up(bytes).as_chunks();
            lane.rest.extend_from_slice(rest);
            Stream { state: &mut lane.state, blocks }
        })
        .collect();
    // Neighbours that are as long stay together to their ends.
    streams.sort_by_key(|stream| stream.blocks.len());
    for group in streams.chunks_mut(WIDTH) {
        let mut group = group;
        while let [shortest, ..] = group {
            let count = shortest.blocks.len();
            step(way, group, count);
            let ended = group.iter().take_while(|stream| stream.blocks.is_empty()).count();
            group = &mut group[ended..];
        }
    }
}

struct Stream<'a> {
    state: &'a mut [u32; 8],
    blocks: &'a [[u8; BLOCK]],
}

/// Hashes the same number of blocks of each of at most [`WIDTH`] streams.
fn step(way: Backend, group: &mut [Stream], count: usize) {
    if let [stream] = group {
        one(way, stream.state, stream.blocks);
        stream.blocks = &[];
        return;
    }
    match way {
        Backend::InTurn => in_turn(group, count),
        Backend::Lockstep => lockstep(group, count),
    }
}

fn one(way: Backend, state: &mut [u32; 8], blocks: &[[u8; BLOCK]]) {
    match way {
        Backend::InTurn => sha2::block_api::compress256(state, blocks),
        Backend::Lockstep => {
            let mut states = state.map(|word| [word]);
            alone(&mut states, &[blocks]);
            *state = states.map(|[word]| word);
        }
    }
}

fn in_turn(group: &mut [Stream], count: usize) {
    for number in 0..count {
        for stream in group.iter_mut() {
            sha2::block_api::compress256(stream.state, &stream.blocks[number..=number]);
        }
    }
    for stream in group {
        stream.blocks = &stream.blocks[count..];
    }
}

fn lockstep(group: &mut [Stream], count: usize) {
    // Unused lanes hash the bytes of the first stream; their result is dropped.
    let mut data = [&group[0].blocks[..count]; WIDTH];
    let mut states = [[0; WIDTH]; 8];
    for (number, stream) in group.iter_mut().enumerate() {
        (data[number], stream.blocks) = stream.blocks.split_at(count);
        for (words, word) in states.iter_mut().zip(*stream.state) {
            words[number] = word;
        }
    }
    together(&mut states, &data);
    for (number, stream) in group.iter_mut().enumerate() {
        *stream.state = states.map(|words| words[number]);
    }
}

#[multiversion(targets("x86_64+avx2+bmi1+bmi2"))]
fn alone(states: &mut [[u32; 1]; 8], data: &[&[[u8; BLOCK]]; 1]) {
    compress(states, data);
}

#[multiversion(targets(
    "x86_64+avx512f+avx512vl+avx512bw+avx512dq+bmi1+bmi2",
    "x86_64+avx2+bmi1+bmi2"
))]
fn together(states: &mut [[u32; WIDTH]; 8], data: &[&[[u8; BLOCK]]; WIDTH]) {
    compress(states, data);
}

/// The same step of N streams after another; all have as many blocks. `states` has a row a word.
#[inline(always)]
fn compress<const N: usize>(states: &mut [[u32; N]; 8], data: &[&[[u8; BLOCK]]; N]) {
    let mut state = states.map(Words);
    for block in 0..data[0].len() {
        let mut w = [Words([0; N]); 16];
        for (lane, blocks) in data.iter().enumerate() {
            for (words, word) in w.iter_mut().zip(blocks[block].as_chunks().0) {
                words.0[lane] = u32::from_be_bytes(*word);
            }
        }
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = state;
        for (t, k) in K.iter().enumerate() {
            let at = t % 16;
            if t >= 16 {
                let (w15, w2) = (w[(t + 1) % 16], w[(t + 14) % 16]);
                let s0 = w15.rotated(7).xor(w15.rotated(18)).xor(w15.shifted(3));
                let s1 = w2.rotated(17).xor(w2.rotated(19)).xor(w2.shifted(10));
                w[at] = w[at].add(s0).add(w[(t + 9) % 16]).add(s1);
            }
            let s1 = e.rotated(6).xor(e.rotated(11)).xor(e.rotated(25));
            let choice = g.xor(e.and(f.xor(g)));
            let t1 = h.add(s1).add(choice).add(w[at]).add(Words([*k; N]));
            let s0 = a.rotated(2).xor(a.rotated(13)).xor(a.rotated(22));
            let majority = a.and(b).xor(c.and(a.xor(b)));
            (h, g, f, e) = (g, f, e, d.add(t1));
            (d, c, b, a) = (c, b, a, t1.add(s0).add(majority));
        }
        for (word, new) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            *word = word.add(new);
        }
    }
    *states = state.map(|Words(words)| words);
}

/// The same word of N streams. Compilers make vector instructions of such loops.
#[derive(Clone, Copy)]
struct Words<const N: usize>([u32; N]);

impl<const N: usize> Words<N> {
    #[inline(always)]
    fn map(self, each: impl Fn(u32) -> u32) -> Self {
        Self(self.0.map(each))
    }

    #[inline(always)]
    fn zip(mut self, other: Self, each: impl Fn(u32, u32) -> u32) -> Self {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word = each(*word, other);
        }
        self
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, u32::wrapping_add)
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        self.zip(other, |a, b| a ^ b)
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        self.zip(other, |a, b| a & b)
    }

    #[inline(always)]
    fn rotated(self, right: u32) -> Self {
        self.map(|word| word.rotate_right(right))
    }

    #[inline(always)]
    fn shifted(self, right: u32) -> Self {
        self.map(|word| word >> right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAYS: [Backend; 2] = [Backend::InTurn, Backend::Lockstep];

    fn bytes(seed: usize, len: usize) -> Vec<u8> {
        (0..len).map(|n| (n * 31 + n / 251 + seed * 7).to_le_bytes()[0]).collect()
    }

    fn expected(bytes: &[u8]) -> Vec<u8> {
        ring::digest::digest(&ring::digest::SHA256, bytes).as_ref().into()
    }

    #[test]
    fn streams_of_any_lengths_hash_together_as_each_does_alone() {
        for (way, count) in
            WAYS.into_iter().flat_map(|way| [1, 2, 7, 8, 9, 16, 19].map(|n| (way, n)))
        {
            let lens = |n: usize| [0, 1, 55, 56, 63, 64, 65, 119, 128, 1000, 64_000][n * n % 11];
            let streams: Vec<Vec<u8>> = (0..count).map(|n| bytes(n, lens(n))).collect();
            let mut lanes = vec![Lane::new(way); count];
            for piece in [0..1, 1..64, 64..200, 200..usize::MAX] {
                let parts = lanes.iter_mut().zip(&streams).map(|(lane, bytes)| {
                    let (from, to) = (piece.start.min(bytes.len()), piece.end.min(bytes.len()));
                    (lane, &bytes[from..to])
                });
                update(parts.collect());
            }
            for (lane, bytes) in lanes.into_iter().zip(&streams) {
                let hash = lane.finish(bytes.len() as u64);
                assert_eq!(hash.to_vec(), expected(bytes), "{way:?}, {count} streams");
            }
        }
    }

    #[test]
    fn padding_is_right_around_the_end_of_a_block() {
        for (way, len) in WAYS.into_iter().flat_map(|way| (0..130).map(move |len| (way, len))) {
            let bytes = bytes(1, len);
            let mut lane = Lane::new(way);
            bytes.chunks(9).for_each(|piece| lane.update(piece));
            assert_eq!(lane.finish(len as u64).to_vec(), expected(&bytes), "{way:?}, {len} bytes");
        }
    }
}
