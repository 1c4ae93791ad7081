//! A register's worth of numbers, with the few operations that the max–min product needs.

#![expect(unsafe_code, reason = "a load through a pointer, and instructions that not every processor has")]

/// Numbers that are compared lane by lane.
pub(super) trait Lanes: Copy {
    /// One of the numbers.
    type Scalar: Copy + PartialOrd;
    /// How many there are.
    const COUNT: usize;

    /// [`Lanes::COUNT`] numbers from memory.
    ///
    /// # Safety
    /// So many numbers can be read at `from`, and the processor has the instructions of the implementing type.
    unsafe fn load(from: *const Self::Scalar) -> Self;
    /// The smaller number in each lane.
    ///
    /// # Safety
    /// The processor has the instructions of the implementing type.
    unsafe fn min(self, other: Self) -> Self;
    /// The larger number in each lane.
    ///
    /// # Safety
    /// The processor has the instructions of the implementing type.
    unsafe fn max(self, other: Self) -> Self;
    /// The largest of all lanes.
    ///
    /// # Safety
    /// The processor has the instructions of the implementing type.
    unsafe fn largest(self) -> Self::Scalar;
    /// The largest of all lanes of each register.
    ///
    /// # Safety
    /// The processor has the instructions of the implementing type.
    #[inline(always)]
    unsafe fn largest_of_each<const R: usize, const C: usize>(
        registers: &[[Self; C]; R],
    ) -> [[Self::Scalar; C]; R] {
        // SAFETY: the caller vouches for the instruction set.
        std::array::from_fn(|r| std::array::from_fn(|c| unsafe { registers[r][c].largest() }))
    }
}

/// Lanes in plain Rust: an array that the compiler keeps in whatever registers there are.
#[derive(Clone, Copy)]
pub(super) struct Array<T, const N: usize>([T; N]);

impl<T: Copy + PartialOrd, const N: usize> Lanes for Array<T, N> {
    type Scalar = T;
    const COUNT: usize = N;

    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: the caller vouches for N numbers at `from`, which are aligned as numbers of their type.
        Self(unsafe { from.cast::<[T; N]>().read() })
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        Self(std::array::from_fn(|l| if self.0[l] < other.0[l] { self.0[l] } else { other.0[l] }))
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        Self(std::array::from_fn(|l| if self.0[l] > other.0[l] { self.0[l] } else { other.0[l] }))
    }

    #[inline(always)]
    unsafe fn largest(self) -> T {
        self.0.into_iter().reduce(|a, b| if b > a { b } else { a }).expect("invariant: a register has lanes")
    }
}

/// Implements [`Lanes`] for a newtype of a vector register by the names of its instructions.
macro_rules! lanes {
    ($name:ident, $scalar:ty, $vector:ty, $count:literal, $load:expr, $min:expr, $max:expr, $largest:expr $(, $each:expr)?) => {
        #[derive(Clone, Copy)]
        pub(super) struct $name($vector);

        impl Lanes for $name {
            type Scalar = $scalar;
            const COUNT: usize = $count;

            #[inline(always)]
            unsafe fn load(from: *const $scalar) -> Self {
                // SAFETY: the caller vouches for the instruction set and for a register's worth of numbers.
                Self(unsafe { $load(from.cast()) })
            }

            #[inline(always)]
            unsafe fn min(self, other: Self) -> Self {
                // SAFETY: the caller vouches for the instruction set.
                Self(unsafe { $min(self.0, other.0) })
            }

            #[inline(always)]
            unsafe fn max(self, other: Self) -> Self {
                // SAFETY: the caller vouches for the instruction set.
                Self(unsafe { $max(self.0, other.0) })
            }

            #[inline(always)]
            unsafe fn largest(self) -> $scalar {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { $largest(self.0) }
            }
            $(
                #[inline(always)]
                unsafe fn largest_of_each<const R: usize, const C: usize>(
                    registers: &[[Self; C]; R],
                ) -> [[$scalar; C]; R] {
                    let mut all = [[0; C]; R];
                    let places = all.as_flattened_mut();
                    for (some, to) in registers.as_flattened().chunks($count / 4).zip(places.chunks_mut($count / 4)) {
                        // SAFETY: the caller vouches for the instruction set.
                        let largest: [$scalar; $count / 4] =
                            unsafe { $each(&std::array::from_fn(|n| some[n.min(some.len() - 1)].0)) };
                        to.copy_from_slice(&largest[..to.len()]);
                    }
                    all
                }
            )?
        }
    };
}
#[cfg(target_arch = "x86_64")]
pub(super) use lanes;
