//! Calls that stand in another file than the spec that they belong to.

use cowherd::spec::Declaration;

pub(super) fn shop(spec: Declaration) -> Declaration {
    spec.snapshot("shop", |shop| shop.engine("mangodb"))
}
