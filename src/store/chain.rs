//! Which layers there are of a chain of states, each of which may stand for several steps.

use std::fs;
use std::io;

use super::layer::parse_key;
use super::{Inner, Layer, Store, StoreError};
use crate::digest::Digest;
use crate::disk::Context as _;

/// What a key file says.
#[derive(Debug, Clone)]
pub(super) struct KeyFile {
    pub(super) digest: Digest,
    pub(super) label: String,
}

impl Store {
    /// The layers that lead to the last of the states `keys` that is there, the lowest first.
    ///
    /// A layer goes from the state that its parent ends at to the one that its own key names, and leaves out
    /// those between: several steps may have been done in one. So the answer may be shorter than `keys` and
    /// complete all the same; how far it leads tells the last layer's key. Two chains that lead to the same
    /// state are both right, and the one built last is found.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn find_chain(&self, keys: &[Digest]) -> Result<Vec<Layer>, StoreError> {
        loop {
            let wanted = self.inner.chain(keys)?;
            let mut chain = Vec::with_capacity(wanted.len());
            for (index, file) in &wanted {
                match self.find(&keys[*index])? {
                    Some(layer) if layer.digest() == file.digest => chain.push(layer),
                    _ => break,
                }
            }
            if chain.len() == wanted.len() {
                return Ok(chain);
            }
            // One of them was removed or built anew before it was held: what there is now, is another chain.
        }
    }
}

impl Inner {
    /// What the key's file says; `None` when there is none, or none that makes sense.
    pub(super) fn key_file(&self, key: &Digest) -> Result<Option<KeyFile>, StoreError> {
        let path = self.key_path(key);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::InvalidData
                ) =>
            {
                return Ok(None);
            }
            Err(e) => return Err(e).on("read", &path)?,
        };
        Ok(parse_key(&text).map(|(digest, label)| KeyFile {
            digest,
            label: label.to_owned(),
        }))
    }

    /// The longest chain, the lowest layer first: for each the place of its key in `keys`. No lock is taken.
    pub(super) fn chain(&self, keys: &[Digest]) -> Result<Vec<(usize, KeyFile)>, StoreError> {
        let mut named = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            if let Some(file) = self.key_file(key)? {
                named.push((index, file));
            }
        }
        while let Some(tip) = named.pop() {
            let mut chain = vec![tip];
            let mut below = named.iter().rev();
            loop {
                let Some(record) = self.read_layer(&chain[chain.len() - 1].1.digest)? else {
                    break;
                };
                let Some(parent) = record.parent else {
                    chain.reverse();
                    return Ok(chain);
                };
                match below.find(|(_, file)| file.digest == parent.0) {
                    Some((index, file)) => chain.push((*index, file.clone())),
                    None => break,
                }
            }
        }
        Ok(Vec::new())
    }
}
