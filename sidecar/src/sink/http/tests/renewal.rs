//! Connections that end although nothing is wrong with them.

use super::*;
use crate::io::net::{ClientSettings, Clients};
use std::cell::Cell;

/// Answers every request of one connection after the other, and counts the connections.
async fn keeps_alive(listener: &TcpListener, connections: &Cell<usize>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        connections.set(connections.get() + 1);
        let mut request = vec![0; 4096];
        while let Ok(1..) = stream.read(&mut request).await {
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).await.unwrap();
        }
    }
}

#[tokio::test]
async fn connection_is_made_anew_every_five_minutes_because_the_name_may_have_moved() {
    let (listener, url) = listen().await;
    let connections = Cell::new(0);
    let ask = async {
        let mut clients = Clients::new(ClientSettings {
            tls: Tls::default(),
            bundle: None,
            https: false,
            http2_only: false,
        });
        let mut found = Vec::new();
        for second in [0, 1, 299, 300, 301, 599, 600] {
            let (client, trouble) = clients.client(Duration::from_secs(second));
            assert!(trouble.is_none());
            let request = super::request(&endpoint(&url), None, Bytes::from_static(b"{}\n"));
            let answer = client.unwrap().request(request.unwrap()).await.unwrap();
            answer.into_body().collect().await.unwrap();
            found.push((second, connections.get()));
        }
        found
    };
    let found = tokio::select! {
        found = ask => found,
        () = keeps_alive(&listener, &connections) => unreachable!("it serves for ever"),
    };
    let expected = [(0, 1), (1, 1), (299, 1), (300, 2), (301, 2), (599, 2), (600, 3)];
    assert_eq!(found, expected);
}
