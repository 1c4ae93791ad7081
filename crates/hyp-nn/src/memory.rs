//! An allocator that keeps large blocks, because a training step asks for the same ones again and again.
#![expect(unsafe_code, reason = "a global allocator is an unsafe trait")]
#![expect(clippy::cast_ptr_alignment, reason = "every kept block is aligned to a page")]

use std::alloc::{GlobalAlloc, Layout};
use std::ptr::null_mut;
use std::sync::{Mutex, PoisonError};

/// Bytes from which a block is kept: below, the allocators that this wraps are good.
const LARGE: usize = 1 << 18;

/// Sizes are rounded up to one of so many steps between two powers of two.
const STEPS: usize = 8;

/// Lists of free blocks, one a size: those from [`LARGE`] to 2⁴⁸ bytes.
const CLASSES: usize = (48 - LARGE.ilog2() as usize) * STEPS;

/// How many times the most that was ever in use may be kept, what is in use included. A step of ResNet-50 needs a little
/// over three halves, the sizes of its maps being many; with less it gives back and asks anew in every step, which cost a
/// fifth of its time.
const MOST: usize = 2;

/// Alignment that every large block has.
const ALIGN: usize = 4096;

/// An allocator that gives freed blocks of 256 KiB and more to the next who asks, instead of to the system.
///
/// Fresh memory costs a page fault and the clearing of a page, a fifth of the time of a training step of Conv4. Blocks
/// are kept by size, in steps of an eighth; together with those in use they never exceed twice the most that was ever in
/// use, or all kept ones are given back. A training stays far below that: its sizes come again in every step.
///
/// # Examples
/// ```
/// #[global_allocator]
/// static ALLOCATOR: hyp_nn::memory::Keeping<std::alloc::System> =
///     hyp_nn::memory::Keeping::new(std::alloc::System);
///
/// let numbers = vec![0.0_f32; 1 << 20];
/// drop(numbers); // kept
/// assert_eq!(vec![0.0_f32; 1 << 20].iter().sum::<f32>(), 0.0); // the same memory, cleared
/// ```
#[derive(Debug)]
pub struct Keeping<A> {
    inner: A,
    kept: Mutex<Kept>,
}

/// The free blocks. The first bytes of each point to the next of its size.
#[derive(Debug)]
struct Kept {
    free: [*mut u8; CLASSES],
    /// Bytes of free blocks.
    idle: usize,
    /// Bytes of large blocks in use, and their maximum so far.
    used: usize,
    peak: usize,
}

// SAFETY: the pointers are to blocks that belong to nobody else.
unsafe impl Send for Kept {}

/// The list of a size and the size of its blocks; `None` for what is passed on as it is.
fn class(layout: Layout) -> Option<(usize, usize)> {
    let size = layout.size();
    if !(LARGE..1 << 47).contains(&size) || layout.align() > ALIGN {
        return None;
    }
    let step = (1 << size.ilog2()) / STEPS;
    let rounded = size.next_multiple_of(step);
    let below = (rounded.ilog2() - LARGE.ilog2()) as usize * STEPS;
    let power = 1 << rounded.ilog2();
    Some((below + (rounded - power) / (power / STEPS), rounded))
}

/// What the wrapped allocator is asked for.
fn block(size: usize) -> Layout {
    // SAFETY: the alignment is a power of two, and sizes are at most 2⁴⁸.
    unsafe { Layout::from_size_align_unchecked(size, ALIGN) }
}

impl<A> Keeping<A> {
    /// Wraps an allocator.
    pub const fn new(inner: A) -> Self {
        Self { inner, kept: Mutex::new(Kept { free: [null_mut(); CLASSES], idle: 0, used: 0, peak: 0 }) }
    }
}

impl<A: GlobalAlloc> Keeping<A> {
    /// A block of a class, and whether it was kept and so holds anything.
    fn take(&self, class: usize, size: usize, clear: bool) -> (*mut u8, bool) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.used += size;
        kept.peak = kept.peak.max(kept.used);
        let first = kept.free[class];
        if !first.is_null() {
            // SAFETY: a free block points to the next one, or to nothing.
            kept.free[class] = unsafe { first.cast::<*mut u8>().read() };
            kept.idle -= size;
            return (first, true);
        }
        if kept.used + kept.idle > MOST * kept.peak {
            self.give_back(&mut kept);
        }
        drop(kept);
        // SAFETY: the size is not zero.
        let fresh = unsafe {
            if clear { self.inner.alloc_zeroed(block(size)) } else { self.inner.alloc(block(size)) }
        };
        if fresh.is_null() {
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).used -= size;
        }
        (fresh, false)
    }

    /// Gives every free block back to the wrapped allocator.
    fn give_back(&self, kept: &mut Kept) {
        for (class, first) in kept.free.iter_mut().enumerate() {
            let power = LARGE << (class / STEPS);
            let size = power + class % STEPS * (power / STEPS);
            while !first.is_null() {
                let this = *first;
                // SAFETY: a free block points to the next one; it came from the wrapped allocator with this layout.
                unsafe {
                    *first = this.cast::<*mut u8>().read();
                    self.inner.dealloc(this, block(size));
                }
            }
        }
        kept.idle = 0;
    }
}

// SAFETY: blocks come from the wrapped allocator, are as large as asked and belong to one owner at a time: they leave
// their list when they are given out.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Keeping<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match class(layout) {
            Some((class, size)) => self.take(class, size, false).0,
            // SAFETY: the caller keeps the conditions of `GlobalAlloc`.
            None => unsafe { self.inner.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some((class, size)) = class(layout) else {
            // SAFETY: as above.
            return unsafe { self.inner.alloc_zeroed(layout) };
        };
        let (given, kept) = self.take(class, size, true);
        if kept {
            // SAFETY: the block has at least as many bytes.
            unsafe { given.write_bytes(0, layout.size()) };
        }
        given
    }

    unsafe fn dealloc(&self, given: *mut u8, layout: Layout) {
        let Some((class, size)) = class(layout) else {
            // SAFETY: as above.
            return unsafe { self.inner.dealloc(given, layout) };
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the block has room for a pointer, is aligned for one and belongs to nobody now.
        unsafe { given.cast::<*mut u8>().write(kept.free[class]) };
        kept.free[class] = given;
        kept.used -= size;
        kept.idle += size;
    }

    unsafe fn realloc(&self, given: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller vouches that the size, rounded up to the alignment, does not overflow.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (class(layout), class(new)) {
            // SAFETY: as above.
            (None, None) => unsafe { self.inner.realloc(given, layout, size) },
            (Some(old), Some(new)) if old == new => given,
            // SAFETY: as above; the two blocks do not overlap.
            _ => unsafe {
                let target = self.alloc(new);
                if !target.is_null() {
                    target.copy_from_nonoverlapping(given, layout.size().min(size));
                    self.dealloc(given, layout);
                }
                target
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::alloc::System;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    #[test]
    fn sizes_are_rounded_up_by_less_than_an_eighth_and_every_class_knows_its_size() {
        let mut size = LARGE;
        while size < 1 << 40 {
            for size in [size - 1, size, size + 1, size + size / 16] {
                let Some((number, rounded)) = class(layout(size)) else {
                    assert!(size < LARGE);
                    continue;
                };
                assert!(number < CLASSES && rounded >= size && rounded - size < size.div_ceil(8), "{size}");
                assert_eq!(class(layout(rounded)), Some((number, rounded)));
                let power = LARGE << (number / STEPS);
                assert_eq!(power + number % STEPS * (power / STEPS), rounded);
            }
            size += size / STEPS;
        }
        assert_eq!(class(layout(100)), None);
        assert_eq!(class(Layout::from_size_align(1 << 20, 1 << 14).unwrap()), None);
    }

    #[test]
    fn a_freed_block_is_given_again_cleared_where_asked() {
        let all = Keeping::new(System);
        let large = layout(1 << 20);
        // SAFETY: every block is used within its size and freed once, with the layout that it was asked with.
        unsafe {
            let first = all.alloc(large);
            first.write_bytes(7, 1 << 20);
            all.dealloc(first, large);
            let second = all.alloc_zeroed(layout((1 << 20) - 5));
            assert_eq!(second, first);
            assert!((0..(1 << 20) - 5).all(|i| second.add(i).read() == 0));
            let third = all.alloc(large);
            assert_ne!(third, second);
            third.write_bytes(9, 1 << 20);
            let longer = all.realloc(third, large, 3 << 20);
            assert!((0..1 << 20).all(|i| longer.add(i).read() == 9));
            let shorter = all.realloc(longer, layout(3 << 20), 50);
            assert!((0..50).all(|i| shorter.add(i).read() == 9));
            all.dealloc(shorter, layout(50));
            all.dealloc(second, large);
        }
    }

    #[test]
    fn no_more_is_kept_than_twice_what_was_ever_in_use() {
        let all = Keeping::new(System);
        // SAFETY: as above.
        unsafe {
            for size in (1..40).map(|n| layout(n << 19)) {
                let some = all.alloc(size);
                assert!(!some.is_null());
                all.dealloc(some, size);
                let kept = all.kept.lock().unwrap();
                assert!(kept.used == 0 && kept.idle <= MOST * kept.peak, "{kept:?}");
            }
            let mut kept = all.kept.lock().unwrap();
            all.give_back(&mut kept);
            assert!(kept.idle == 0 && kept.free.iter().all(|first| first.is_null()));
        }
    }
}
