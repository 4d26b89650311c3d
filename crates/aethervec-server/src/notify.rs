//! Tells who started the server how far it is, as sd_notify(3) says: each message is a datagram to a socket that the
//! environment names. A server that nobody waits for tells nobody.

use std::ffi::OsStr;
use std::io;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// All ports answer.
pub(crate) const READY: &str = "READY=1";

/// The end has begun.
pub(crate) const STOPPING: &str = "STOPPING=1";

/// Sends `message` to the socket that `NOTIFY_SOCKET` names, if it names one.
pub(crate) fn tell(message: &str) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    if let Err(error) = send(&socket, message) {
        tracing::warn!(%error, ?socket, "NOTIFY_SOCKET could not be told {message}");
    }
}

fn send(socket: &OsStr, message: &str) -> io::Result<()> {
    let datagrams = UnixDatagram::unbound()?;
    datagrams.send_to_addr(message.as_bytes(), &address(socket)?)?;
    Ok(())
}

/// A path; or, behind `@`, a name that is in no folder, which Linux has.
fn address(socket: &OsStr) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    if let Some(name) = socket.as_bytes().strip_prefix(b"@") {
        return SocketAddr::from_abstract_name(name);
    }
    SocketAddr::from_pathname(OsStr::from_bytes(socket.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn sockets_are_paths_or_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        send(path.as_os_str(), READY).unwrap();
        assert_eq!(received(&socket), "READY=1");

        let name = format!("@aethervec-test-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&address(OsStr::new(&name)).unwrap()).unwrap();
        send(OsStr::new(&name), STOPPING).unwrap();
        assert_eq!(received(&socket), "STOPPING=1");

        drop(socket);
        assert!(send(OsStr::new(&name), READY).is_err());
    }
}
