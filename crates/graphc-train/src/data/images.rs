use crate::error::TrainError;
use crate::picture::PictureShape;
use std::path::Path;
pub(crate) struct ImageFolder {
    pub(crate) classes: Vec<String>,
}
impl ImageFolder {
    pub(crate) fn open(_: &Path) -> Result<ImageFolder, TrainError> {
        todo!()
    }
    pub(crate) fn n_samples(&self) -> usize {
        todo!()
    }
    pub(crate) fn read(
        &self,
        _: PictureShape,
        _: Option<usize>,
        _: usize,
    ) -> Result<(Vec<u8>, Vec<u32>, Vec<String>), TrainError> {
        todo!()
    }
}
