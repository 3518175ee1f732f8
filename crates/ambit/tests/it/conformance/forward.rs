//! The suite has no place for a credential, so one stands before the gate: it adds the agent's token to each request, and
//! passes everything else on byte for byte, both ways and at once.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// Listens at a port of its own, until the test ends; its address.
pub fn before(gate: &str, token: &str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (gate, more) = (gate.to_owned(), Arc::new(format!("Authorization: Bearer {token}\r\n")));
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let (gate, more) = (gate.clone(), Arc::clone(&more));
            std::thread::spawn(move || {
                let Ok(server) = TcpStream::connect(gate) else { return };
                let (Ok(from), Ok(to)) = (server.try_clone(), client.try_clone()) else { return };
                std::thread::spawn(move || answers(from, to));
                // Whoever goes away is gone for the gate, too.
                let _ = requests(&client, &server, &more);
                let _ = server.shutdown(Shutdown::Both);
                let _ = client.shutdown(Shutdown::Both);
            });
        }
    });
    address
}

fn answers(mut server: TcpStream, mut client: TcpStream) {
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

/// One request after the other, to the end of the connection.
fn requests(client: &TcpStream, mut server: &TcpStream, more: &str) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let mut from = BufReader::new(client);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let before = head.len();
            if from.read_line(&mut head)? == 0 {
                return Ok(());
            }
            let line = head[before..].trim_end().to_ascii_lowercase();
            if before == 0 {
                head.push_str(more);
            }
            if line.is_empty() {
                break;
            }
            assert!(!line.starts_with("transfer-encoding:"), "the suite says how long its requests are");
            if let Some(said) = line.strip_prefix("content-length:") {
                length = said.trim().parse().unwrap();
            }
        }
        server.write_all(head.as_bytes())?;
        std::io::copy(&mut (&mut from).take(length), &mut server)?;
    }
}
