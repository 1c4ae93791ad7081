//! Working memory that a thread keeps from one call to the next, so that it is neither fetched nor cleared again.

use std::any::Any;
use std::cell::RefCell;

use super::kernel::Element;

thread_local! {
    /// Buffers that nobody uses at the moment, each a `Vec<f32>` or `Vec<f64>`.
    static FREE: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

/// Gives `work` a slice of `len` elements that may hold anything, from the memory that this thread keeps.
///
/// Calls may be nested: a buffer in use is not among the free ones.
pub(crate) fn scratch<T: Element, R>(len: usize, work: impl FnOnce(&mut [T]) -> R) -> R {
    let kept = FREE.with_borrow_mut(|free| {
        let at = free.iter().position(|buffer| buffer.is::<Vec<T>>())?;
        free.swap_remove(at).downcast::<Vec<T>>().ok()
    });
    let mut buffer = kept.unwrap_or_default();
    if buffer.len() < len {
        buffer.resize(len, T::zero());
    }
    if cfg!(test) {
        // What nobody writes is seen.
        buffer.fill(T::from_f64(f64::NAN));
    }
    let result = work(&mut buffer[..len]);
    FREE.with_borrow_mut(|free| free.push(buffer));
    result
}

#[cfg(test)]
mod tests {
    use super::scratch;

    #[test]
    fn nested_calls_have_buffers_of_their_own() {
        scratch::<f32, _>(8, |outer| {
            outer.fill(1.0);
            scratch::<f64, _>(4, |wide| wide.fill(3.0));
            scratch::<f32, _>(16, |inner| inner.fill(2.0));
            assert_eq!(outer, [1.0; 8]);
        });
        scratch::<f32, _>(3, |short| assert_eq!(short.len(), 3));
    }
}
