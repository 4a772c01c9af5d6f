use super::source::CifarKind;
use crate::error::TrainError;
use std::path::PathBuf;
pub(crate) const SHAPE: [usize; 3] = [32, 32, 3];
pub(crate) struct Cifar;
impl Cifar {
    pub(crate) fn open(_: &[PathBuf], _: CifarKind) -> Result<Cifar, TrainError> {
        todo!()
    }
    pub(crate) fn n_samples(&self) -> usize {
        todo!()
    }
    pub(crate) fn classes(&self) -> Option<Vec<String>> {
        todo!()
    }
    pub(crate) fn read(self, _: Option<usize>) -> Result<(Vec<u8>, Vec<u8>), TrainError> {
        todo!()
    }
}
