//! placeholder
use std::fs::File;
/// g
#[derive(Debug)]
pub struct Group { files: Vec<File> }
impl Group { 
/// j
pub fn join_files(&self) -> &[File] { &self.files } }
