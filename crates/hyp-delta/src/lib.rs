//! Gromov hyperbolicity of a metric space.
