//! Python's `random.Random`, number for number: what other tools draw with a seed can be drawn again.
//! Kept out: our own generator (`random`), which everything of ours uses.

use std::collections::BTreeSet;

use super::float;

const WORDS: usize = 624;
const MIDDLE: usize = 397;

/// MT19937, seeded and read as CPython 3.12 does (`Modules/_randommodule.c`, `Lib/random.py`).
/// Source: M. Matsumoto and T. Nishimura, Mersenne twister, ACM TOMACS 8, 1998.
#[derive(Clone, Debug)]
pub struct Mersenne {
    state: Vec<u32>,
    next: usize,
}

impl Mersenne {
    /// `random.Random(seed)` for a seed of 0 or more; a negative one is its absolute value in Python too.
    pub fn new(seed: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the low and the high half of the seed")]
        let (low, high) = (seed as u32, (seed >> 32) as u32);
        if high == 0 { Self::of_key(&[low]) } else { Self::of_key(&[low, high]) }
    }

    /// `init_by_array` of the original authors.
    fn of_key(key: &[u32]) -> Self {
        let mut state = Vec::with_capacity(WORDS);
        let mut last = 19_650_218_u32;
        state.push(last);
        for index in 1..624_u32 {
            last = (last ^ (last >> 30)).wrapping_mul(1_812_433_253).wrapping_add(index);
            state.push(last);
        }
        let mut made = Self { state, next: WORDS };
        let mut at = 1_usize;
        let mut keys = (0_u32..).zip(key).cycle();
        for _ in 0..WORDS.max(key.len()) {
            let Some((number, part)) = keys.next() else { break };
            let mixed = made.mixed(at, 1_664_525).wrapping_add(*part).wrapping_add(number);
            at = made.put(at, mixed);
        }
        for _ in 0..WORDS - 1 {
            let number = u32::try_from(at).unwrap_or_default();
            let mixed = made.mixed(at, 1_566_083_941).wrapping_sub(number);
            at = made.put(at, mixed);
        }
        if let Some(first) = made.state.first_mut() {
            *first = 0x8000_0000;
        }
        made
    }

    fn word(&self, at: usize) -> u32 {
        self.state.get(at).copied().unwrap_or_default()
    }

    fn mixed(&self, at: usize, factor: u32) -> u32 {
        let before = self.word(at - 1);
        self.word(at) ^ (before ^ (before >> 30)).wrapping_mul(factor)
    }

    /// Writes a word of the seeding, and says where the next one goes.
    fn put(&mut self, at: usize, value: u32) -> usize {
        if let Some(word) = self.state.get_mut(at) {
            *word = value;
        }
        if at + 1 < WORDS {
            return at + 1;
        }
        if let Some(first) = self.state.first_mut() {
            *first = value;
        }
        1
    }

    fn twist(&mut self) {
        for at in 0..WORDS {
            let (next, far) = (self.word((at + 1) % WORDS), self.word((at + MIDDLE) % WORDS));
            let joined = (self.word(at) & 0x8000_0000) | (next & 0x7fff_ffff);
            let odd = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            if let Some(word) = self.state.get_mut(at) {
                *word = far ^ (joined >> 1) ^ odd;
            }
        }
        self.next = 0;
    }

    /// The next 32 bits.
    fn next_word(&mut self) -> u32 {
        if self.next >= WORDS {
            self.twist();
        }
        let mut word = self.word(self.next);
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    /// `random()`: in 0..1, with 53 bits.
    pub fn random(&mut self) -> f64 {
        let (high, low) = (self.next_word() >> 5, self.next_word() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    /// `getrandbits(count)`, for 1 to 64 bits.
    pub fn bits(&mut self, count: u32) -> u64 {
        match count.min(64) {
            0 => 0,
            few @ 1..=32 => u64::from(self.next_word() >> (32 - few)),
            many => {
                let low = u64::from(self.next_word());
                low | (u64::from(self.next_word() >> (64 - many)) << 32)
            }
        }
    }

    /// `_randbelow(count)`: an index below `count`; 0 where that is 0.
    pub fn below(&mut self, count: usize) -> usize {
        let limit = count as u64;
        let width = u64::BITS - limit.leading_zeros();
        if limit == 0 {
            return 0;
        }
        loop {
            let drawn = self.bits(width);
            if drawn < limit {
                return usize::try_from(drawn).unwrap_or_default();
            }
        }
    }

    /// `randint(low, high)`, both ends included; `low` where `high` is below it.
    pub fn integer(&mut self, low: i64, high: i64) -> i64 {
        let span = usize::try_from(high.saturating_sub(low)).map_or(0, |span| span.saturating_add(1));
        low.saturating_add(i64::try_from(self.below(span)).unwrap_or_default())
    }

    /// `choices(range(count), k=1)[0]`: with putting back.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "floor of 0 to `count`, as Python does"
    )]
    pub fn choice(&mut self, count: usize) -> usize {
        (self.random() * float(count as u64)) as usize
    }

    /// `sample(range(count), wanted)`: without putting back, in the order of the draw. None for more than there are.
    pub fn sample(&mut self, count: usize, wanted: usize) -> Option<Vec<usize>> {
        if wanted > count {
            return None;
        }
        // Python decides by size whether a list or a set is smaller, and each draws otherwise.
        let mut limit = 21_usize;
        if wanted > 5 {
            let mut power = 1_usize;
            while power < wanted.saturating_mul(3) {
                power = power.saturating_mul(4);
            }
            limit = limit.saturating_add(power);
        }
        let mut drawn = Vec::with_capacity(wanted);
        if count <= limit {
            let mut pool: Vec<usize> = (0..count).collect();
            for _ in 0..wanted {
                let at = self.below(pool.len());
                drawn.push(pool.swap_remove(at));
            }
        } else {
            let mut seen = BTreeSet::new();
            while drawn.len() < wanted {
                let at = self.below(count);
                if seen.insert(at) {
                    drawn.push(at);
                }
            }
        }
        Some(drawn)
    }

    /// `shuffle(items)`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: CPython 3.12, `random.Random(seed)`.
    #[test]
    fn every_draw_is_pythons() {
        let mut random = Mersenne::new(0);
        let units: Vec<f64> = (0..3).map(|_| random.random()).collect();
        assert_eq!(units, [0.8444218515250481, 0.7579544029403025, 0.420571580830845]);
        assert_eq!(
            [random.bits(7), random.bits(32), random.bits(53), random.bits(64)],
            [33, 4146640122, 4376848748439138, 16938433693753131896]
        );
        assert_eq!([random.below(10), random.below(1), random.below(1000)], [4, 0, 366]);
        assert_eq!([random.integer(-5, 5), random.integer(1, 6)], [4, 2]);
        let choices: Vec<usize> = (0..8).map(|_| random.choice(17)).collect();
        assert_eq!(choices, [8, 4, 12, 10, 4, 15, 16, 13]);
        assert_eq!(random.sample(10, 3).unwrap(), [2, 4, 1]);
        assert_eq!(random.sample(100, 3).unwrap(), [93, 9, 87]);
        assert_eq!(random.sample(30, 8).unwrap(), [10, 15, 17, 3, 11, 13, 29, 19]);
        assert_eq!(random.sample(300, 8).unwrap(), [104, 282, 244, 226, 266, 133, 31, 280]);
        assert_eq!(
            random.sample(85, 20).unwrap(),
            [1, 11, 51, 80, 0, 78, 63, 42, 31, 41, 8, 24, 72, 28, 30, 18, 57, 83, 10, 40]
        );
        assert_eq!(
            random.sample(86, 21).unwrap(),
            [65, 62, 13, 38, 70, 37, 15, 42, 69, 26, 77, 75, 36, 56, 11, 76, 49, 40, 73, 30, 23]
        );
        let mut items: Vec<usize> = (0..12).collect();
        random.shuffle(&mut items);
        assert_eq!(items, [11, 10, 5, 8, 1, 6, 9, 7, 4, 0, 2, 3]);
        (0..2000).for_each(|_| {
            random.random();
        });
        assert_eq!(random.random(), 0.39939374575381315);
        let mut random = Mersenne::new(1234);
        let units: Vec<f64> = (0..3).map(|_| random.random()).collect();
        assert_eq!(units, [0.9664535356921388, 0.4407325991753527, 0.007491470058587191]);
        assert_eq!(
            [random.bits(7), random.bits(32), random.bits(53), random.bits(64)],
            [116, 4048155970, 7268832455683793, 644274044980223449]
        );
        assert_eq!([random.below(10), random.below(1), random.below(1000)], [1, 0, 784]);
        assert_eq!([random.integer(-5, 5), random.integer(1, 6)], [0, 2]);
        let choices: Vec<usize> = (0..8).map(|_| random.choice(17)).collect();
        assert_eq!(choices, [0, 16, 0, 11, 8, 7, 1, 12]);
        assert_eq!(random.sample(10, 3).unwrap(), [0, 8, 7]);
        assert_eq!(random.sample(100, 3).unwrap(), [31, 8, 85]);
        assert_eq!(random.sample(30, 8).unwrap(), [17, 14, 2, 19, 21, 27, 16, 18]);
        assert_eq!(random.sample(300, 8).unwrap(), [23, 138, 284, 32, 154, 246, 181, 136]);
        assert_eq!(
            random.sample(85, 20).unwrap(),
            [31, 83, 25, 58, 67, 2, 65, 9, 0, 42, 18, 60, 48, 21, 6, 77, 63, 20, 69, 27]
        );
        assert_eq!(
            random.sample(86, 21).unwrap(),
            [18, 3, 44, 14, 67, 85, 39, 58, 5, 53, 35, 84, 22, 34, 19, 38, 59, 72, 49, 63, 43]
        );
        let mut items: Vec<usize> = (0..12).collect();
        random.shuffle(&mut items);
        assert_eq!(items, [8, 5, 2, 3, 1, 4, 6, 11, 0, 10, 7, 9]);
        (0..2000).for_each(|_| {
            random.random();
        });
        assert_eq!(random.random(), 0.9453678691187344);
        let mut random = Mersenne::new(42);
        let units: Vec<f64> = (0..3).map(|_| random.random()).collect();
        assert_eq!(units, [0.6394267984578837, 0.025010755222666936, 0.27502931836911926]);
        assert_eq!(
            [random.bits(7), random.bits(32), random.bits(53), random.bits(64)],
            [28, 599310825, 923193498493097, 13662908291426823533]
        );
        assert_eq!([random.below(10), random.below(1), random.below(1000)], [8, 0, 604]);
        assert_eq!([random.integer(-5, 5), random.integer(1, 6)], [1, 1]);
        let choices: Vec<usize> = (0..8).map(|_| random.choice(17)).collect();
        assert_eq!(choices, [0, 3, 8, 0, 3, 11, 9, 3]);
        assert_eq!(random.sample(10, 3).unwrap(), [9, 4, 0]);
        assert_eq!(random.sample(100, 3).unwrap(), [97, 20, 89]);
        assert_eq!(random.sample(30, 8).unwrap(), [13, 10, 8, 4, 6, 24, 28, 3]);
        assert_eq!(random.sample(300, 8).unwrap(), [47, 194, 49, 183, 176, 135, 22, 235]);
        assert_eq!(
            random.sample(85, 20).unwrap(),
            [68, 15, 48, 10, 70, 37, 46, 73, 24, 8, 5, 29, 79, 81, 77, 12, 82, 35, 58, 78]
        );
        assert_eq!(
            random.sample(86, 21).unwrap(),
            [20, 47, 45, 26, 85, 34, 82, 9, 77, 81, 21, 68, 31, 59, 48, 71, 28, 41, 7, 29, 4]
        );
        let mut items: Vec<usize> = (0..12).collect();
        random.shuffle(&mut items);
        assert_eq!(items, [0, 7, 10, 8, 2, 11, 9, 3, 1, 4, 6, 5]);
        (0..2000).for_each(|_| {
            random.random();
        });
        assert_eq!(random.random(), 0.5625247274643543);
        let mut random = Mersenne::new(1099511627783);
        let units: Vec<f64> = (0..3).map(|_| random.random()).collect();
        assert_eq!(units, [0.6137037779936511, 0.8149162973309487, 0.9450115087592873]);
        assert_eq!(
            [random.bits(7), random.bits(32), random.bits(53), random.bits(64)],
            [73, 3030506883, 2259403949877610, 11355623540167073005]
        );
        assert_eq!([random.below(10), random.below(1), random.below(1000)], [2, 0, 533]);
        assert_eq!([random.integer(-5, 5), random.integer(1, 6)], [0, 4]);
        let choices: Vec<usize> = (0..8).map(|_| random.choice(17)).collect();
        assert_eq!(choices, [7, 14, 6, 14, 7, 10, 2, 9]);
        assert_eq!(random.sample(10, 3).unwrap(), [9, 2, 0]);
        assert_eq!(random.sample(100, 3).unwrap(), [32, 9, 96]);
        assert_eq!(random.sample(30, 8).unwrap(), [11, 4, 28, 22, 18, 25, 0, 24]);
        assert_eq!(random.sample(300, 8).unwrap(), [77, 26, 178, 149, 244, 14, 195, 296]);
        assert_eq!(
            random.sample(85, 20).unwrap(),
            [44, 33, 60, 84, 31, 72, 73, 63, 24, 27, 20, 82, 6, 18, 52, 49, 9, 1, 81, 57]
        );
        assert_eq!(
            random.sample(86, 21).unwrap(),
            [62, 43, 23, 36, 13, 25, 4, 69, 37, 21, 65, 54, 41, 82, 61, 57, 18, 56, 48, 17, 55]
        );
        let mut items: Vec<usize> = (0..12).collect();
        random.shuffle(&mut items);
        assert_eq!(items, [5, 0, 7, 11, 2, 8, 10, 4, 6, 1, 3, 9]);
        (0..2000).for_each(|_| {
            random.random();
        });
        assert_eq!(random.random(), 0.9475156042757908);
    }

    #[test]
    fn more_than_there_are_cannot_be_drawn() {
        assert_eq!(Mersenne::new(1).sample(3, 4), None);
    }
}
