//! A connection to the REST API: HTTP/1.1, one request after the other.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::protocol::Result;

pub struct Rest(BufReader<TcpStream>);

impl Rest {
    pub fn connect(address: SocketAddr) -> Result<Rest> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Rest(BufReader::new(stream)))
    }

    /// Sends a request and reads its answer. Anything but success is an error.
    pub fn call(&mut self, method: &str, path: &str, body: &str) -> Result<Vec<u8>> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let succeeded = line
            .split(' ')
            .nth(1)
            .is_some_and(|code| code.starts_with('2'));
        let status = line.trim().to_owned();
        let mut length = 0;
        loop {
            line.clear();
            if self.0.read_line(&mut line)? <= 2 {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse()?;
            }
        }
        let mut answer = vec![0; length];
        self.0.read_exact(&mut answer)?;
        match succeeded {
            true => Ok(answer),
            false => Err(format!("{status}: {}", String::from_utf8_lossy(&answer)).into()),
        }
    }

    pub fn json(&mut self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let answer = self.call(method, path, &body.to_string())?;
        Ok(serde_json::from_slice(&answer)?)
    }
}
