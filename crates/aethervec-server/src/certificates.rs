//! Certificates in files that settings name.

use crate::error::{ApiError, ApiResult};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::fmt::Display;
use std::path::Path;

/// The authorities in the file at `path`, which a setting names.
///
/// # Errors
/// [`Invalid`](crate::ApiErrorKind::Invalid) when there are none, or one cannot be used.
pub(crate) fn authorities(setting: &str, path: &Path) -> ApiResult<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in read(setting, path)? {
        let added = roots.add(certificate);
        added.map_err(|error| unusable(setting, path, &error))?;
    }
    Ok(roots)
}

/// The certificates in the file at `path`, which a setting names: at least one.
///
/// # Errors
/// As [`authorities`].
pub(crate) fn read(setting: &str, path: &Path) -> ApiResult<Vec<CertificateDer<'static>>> {
    let wrong = |error: &dyn Display| unusable(setting, path, error);
    let found = CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))?;
    let found = found
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(&error))?;
    match found.is_empty() {
        true => Err(wrong(&"there is no certificate in it")),
        false => Ok(found),
    }
}

/// The error of a file that a setting names.
pub(crate) fn unusable(setting: &str, path: &Path, why: &dyn Display) -> ApiError {
    ApiError::invalid(format!(
        "{setting}: {} cannot be used: {why}",
        path.display()
    ))
}
