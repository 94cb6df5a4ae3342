//! What the fuzz targets share: other implementations that judge Formhook's, and a gateway made of memory.

pub mod canonical;
pub mod gateway;
pub mod pieces;
pub mod requests;
