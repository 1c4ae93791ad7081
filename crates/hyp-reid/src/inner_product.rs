//! Any metric as a maximum inner product, for engines that know no other.

use hyp_math::{Real, distance::distance_to_origin, lorentz};

use crate::Metric;

impl Metric {
    /// The vector that stands for an entry in an engine of inner products: the nearest entry of a query is that whose
    /// inner product with [`query_vector`](Self::query_vector) is largest.
    ///
    /// With the point on the hyperboloid, X = (X₀, x) and $X_0^2 = 1/c + \|x\|^2$, it is
    ///
    /// $$ (h, x), \qquad h = \frac{X_0 - 1/\sqrt c}{\sqrt c} = \frac{\|x\|^2}{1 + \sqrt{1 + c\|x\|^2}} $$
    ///
    /// For the Euclidean distance it is the same with c = 0, (‖x‖²/2, x); for the cosine distance that of x/‖x‖.
    ///
    /// **Source.** Minkowski's product of the Lorentz model (Nickel and Kiela 2018), from which what is the same for all
    /// entries of a gallery is taken away.
    /// **Shapes.** `x`: `[dim]`, `out`: `[dim + 1]`.
    /// **Domain.** A point that suits the metric: within the ball, or not zero for the cosine.
    /// **Numerics.** The time X₀ itself is near 1/√c for every point when c is small, and its rounding alone would decide
    /// between neighbours; h has all its digits, also at c = 0.
    ///
    /// # Panics
    /// If `out` is not one longer than `x`.
    ///
    /// # Examples
    /// ```
    /// use hyp_reid::Metric;
    /// let mut stored = [0.0; 3];
    /// Metric::Euclidean.index_vector(&[3.0, 4.0], &mut stored);
    /// assert_eq!(stored, [12.5, 3.0, 4.0]);
    /// ```
    pub fn index_vector<T: Real>(self, x: &[T], out: &mut [T]) {
        let square = self.space_part(x, out);
        let root = (1.0 + self.curvature().get() * square).sqrt();
        out[0] = T::from_f64(square / (1.0 + root));
    }

    /// The vector by which an engine of inner products is asked: with the names of [`index_vector`](Self::index_vector),
    ///
    /// $$ (-\sqrt{1 + c\|x\|^2},\; x) $$
    ///
    /// so that its product with the vector of an entry Y is $⟨X, Y⟩_L + \sqrt{1 + c\|x\|^2}/c$, Minkowski's product
    /// −X₀Y₀ + ⟨x, y⟩ but for what does not depend on Y. With a = √(1 + c‖x‖²), a product p is at the distance
    /// arcosh(a − c·p)/√c, and √(‖x‖² − 2p) where c = 0.
    ///
    /// # Panics
    /// If `out` is not one longer than `x`.
    ///
    /// # Examples
    /// ```
    /// use hyp_reid::Metric;
    /// let (mut stored, mut asked) = ([0.0; 3], [0.0; 3]);
    /// Metric::Euclidean.index_vector(&[3.0, 4.0], &mut stored);
    /// Metric::Euclidean.query_vector(&[0.0, 4.0], &mut asked);
    /// let product: f64 = stored.iter().zip(asked).map(|(s, a)| s * a).sum();
    /// assert_eq!(16.0 - 2.0 * product, 9.0); // ‖x‖² − 2p is the squared distance
    /// ```
    pub fn query_vector<T: Real>(self, x: &[T], out: &mut [T]) {
        let square = self.space_part(x, out);
        out[0] = T::from_f64(-(1.0 + self.curvature().get() * square).sqrt());
    }

    /// Writes the space part behind the first number of `out`, and gives its squared norm.
    fn space_part<T: Real>(self, x: &[T], out: &mut [T]) -> f64 {
        assert_eq!(out.len(), x.len() + 1, "a vector is one longer than a point");
        let part = &mut out[1..];
        match self {
            Self::Hyperbolic(c) => lorentz::from_poincare(x, c, part),
            Self::Euclidean | Self::Lorentz(_) => part.copy_from_slice(x),
            Self::Cosine => {
                let norm = squared_norm(x).sqrt();
                part.iter_mut().zip(x).for_each(|(out, x)| *out = T::from_f64(x.to_f64() / norm));
            }
        }
        squared_norm(part)
    }

    /// The distance of a point to the origin of its space: hyperbolic where there is curvature, else 2‖x‖, the limit in
    /// the ball for c → 0.
    ///
    /// # Examples
    /// ```
    /// use hyp_math::Curvature;
    /// use hyp_reid::Metric;
    /// assert_eq!(Metric::Euclidean.distance_to_origin(&[3.0, 4.0]), 10.0);
    /// let ball = Metric::Hyperbolic(Curvature::ONE).distance_to_origin(&[0.5, 0.0]);
    /// assert!((ball - 3.0_f64.ln()).abs() < 1e-15); // 2 artanh(1/2)
    /// ```
    pub fn distance_to_origin<T: Real>(self, x: &[T]) -> f64 {
        let point: Vec<f64> = x.iter().map(|v| v.to_f64()).collect();
        match self {
            Self::Lorentz(c) => lorentz::distance(&point, &vec![0.0; point.len()], c),
            metric => distance_to_origin(&point, metric.curvature()),
        }
    }
}

fn squared_norm<T: Real>(x: &[T]) -> f64 {
    x.iter().map(|v| v.to_f64() * v.to_f64()).sum()
}
