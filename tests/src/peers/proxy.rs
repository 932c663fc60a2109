//! A TCP proxy on loopback that breaks connections as bad networks do. It sees bytes alone, so TLS stays between the two ends.

use anyhow::Result;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// What becomes of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// They live. Those of another number, which were accepted before, are cut.
    Pass(usize),
    /// They are reset as soon as they are accepted.
    Refuse,
}

/// The proxy; it ends with its handle, and so do its connections.
#[derive(Debug)]
pub struct Proxy {
    /// Its port on 127.0.0.1.
    pub port: u16,
    orders: watch::Sender<Order>,
    // Ends with the proxy.
    tasks: JoinSet<()>,
}

impl Proxy {
    /// Starts one in front of `target`.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let orders = watch::Sender::new(Order::Pass(0));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, target, orders.subscribe()));
        Ok(Self { port, orders, tasks })
    }

    /// Resets every connection. New ones pass.
    pub fn cut(&self) {
        self.orders.send_modify(cut);
    }

    /// Resets every connection now and at each `period` from now on.
    pub fn cut_every(&mut self, period: Duration) {
        let orders = self.orders.clone();
        self.tasks.spawn(async move {
            let mut ticks = interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                orders.send_modify(cut);
            }
        });
    }

    /// Resets every connection, new ones as well, until the next [`Self::cut`].
    pub fn refuse(&self) {
        self.orders.send_replace(Order::Refuse);
    }

    /// How often connections were cut.
    pub fn cuts(&self) -> usize {
        match *self.orders.borrow() {
            Order::Pass(cuts) => cuts,
            Order::Refuse => 0,
        }
    }
}

fn cut(order: &mut Order) {
    *order = match *order {
        Order::Pass(cuts) => Order::Pass(cuts + 1),
        Order::Refuse => Order::Pass(1),
    };
}

async fn accept(listener: TcpListener, target: SocketAddr, orders: watch::Receiver<Order>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A connection that is gone before it is accepted is the client's affair.
                if let Ok((client, _)) = accepted {
                    connections.spawn(pass(client, target, orders.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn pass(mut client: TcpStream, target: SocketAddr, mut orders: watch::Receiver<Order>) {
    let accepted = *orders.borrow_and_update();
    // Without time to linger, closing is a reset (socket(7)).
    let resets = |stream: &TcpStream| stream.set_zero_linger().is_ok();
    if !resets(&client) || accepted == Order::Refuse {
        return;
    }
    let Ok(mut server) = TcpStream::connect(target).await else {
        return;
    };
    if !resets(&server) {
        return;
    }
    tokio::select! {
        // Who ends it first, and how, is the two ends' affair.
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = orders.wait_for(|order| *order != accepted) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn echo() -> (SocketAddr, JoinSet<()>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut byte = [0];
                while stream.read_exact(&mut byte).await.is_ok() && stream.write_all(&byte).await.is_ok() {}
            }
        });
        (address, tasks)
    }

    /// Sends a byte and waits for its echo.
    async fn ping(stream: &mut TcpStream) -> std::io::Result<u8> {
        stream.write_all(b"x").await?;
        stream.read_u8().await
    }

    #[tokio::test]
    async fn a_cut_is_a_reset_and_new_connections_pass_unless_they_are_refused() {
        let (target, _server) = echo().await;
        let proxy = Proxy::start(target).await.unwrap();
        let connect = async || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port))
                .await
                .unwrap()
        };
        let mut stream = connect().await;
        assert_eq!(ping(&mut stream).await.unwrap(), b'x');
        proxy.cut();
        let reset = stream.read_u8().await.unwrap_err();
        assert_eq!(reset.kind(), ErrorKind::ConnectionReset);

        proxy.refuse();
        assert!(ping(&mut connect().await).await.is_err());
        proxy.cut();
        assert_eq!(ping(&mut connect().await).await.unwrap(), b'x');
    }
}
