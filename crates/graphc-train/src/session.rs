//! The driver's session is a [`Network`].

use crate::network::{InputBuffer, Network, NetworkError};
use graphc_driver::{DriverError, Session};
use graphc_ir::Tensor;
use graphc_ir::graph::Mode;

impl From<DriverError> for NetworkError {
    fn from(error: DriverError) -> NetworkError {
        NetworkError(error.to_string())
    }
}

impl Network for Session {
    fn set_input_f32(&mut self, mode: Mode, batch: usize, name: &str, values: &[f32]) -> Result<(), NetworkError> {
        Ok(Session::set_input_f32(self, mode, batch, name, values)?)
    }

    fn set_input_i32(&mut self, mode: Mode, batch: usize, name: &str, values: &[i32]) -> Result<(), NetworkError> {
        Ok(Session::set_input_i32(self, mode, batch, name, values)?)
    }

    fn input_buffer(&mut self, mode: Mode, batch: usize, name: &str) -> Result<InputBuffer<'_>, NetworkError> {
        let (buffer, words) = Session::input_words(self, mode, batch, name)?;
        Ok(InputBuffer { dtype: buffer.dtype, layout: &buffer.layout, words })
    }

    fn has_input(&mut self, mode: Mode, batch: usize, name: &str) -> Result<bool, NetworkError> {
        Ok(Session::has_input(self, mode, batch, name)?)
    }

    fn step(&mut self, mode: Mode, batch: usize) -> Result<(), NetworkError> {
        Ok(Session::step(self, mode, batch)?)
    }

    fn output(&self, mode: Mode, batch: usize, name: &str) -> Result<Tensor<f32>, NetworkError> {
        Ok(Session::output(self, mode, batch, name)?)
    }

    fn scalar(&self, mode: Mode, batch: usize, name: &str) -> Result<f64, NetworkError> {
        Ok(f64::from(Session::scalar(self, mode, batch, name)?))
    }

    fn has_output(&self, name: &str) -> bool {
        self.graph().output(name).is_some()
    }
}
