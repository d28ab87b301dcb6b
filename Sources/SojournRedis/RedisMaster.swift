import SojournCore
import SojournLoop

/// The connections to one master: for commands, for writes that wait for replicas if there are such, and for
/// subscriptions. Loop only.
final class RedisMaster {
    let connection: RedisConnection
    let durable: DurableWrites?
    let subscriber: RedisSubscriber

    init(loop: EventLoop, endpoint: Endpoint, options: RedisOptions, probe: String?, log: Log) {
        let connection = RedisConnection(loop: loop, endpoint: endpoint, options: options, log: log)
        self.connection = connection
        self.durable = options.wait.map {
            DurableWrites(loop: loop, endpoint: endpoint, options: options, wait: $0, log: log)
        }
        self.subscriber = RedisSubscriber(
            loop: loop, endpoint: endpoint, options: options,
            probe: .init(channel: probe) { channel, nonce in
                _ = try await connection.send(["SPUBLISH", .string(channel), .string(nonce)], kind: .read)
            }, log: log)
    }

    var endpoint: Endpoint { self.connection.endpoint }

    /// Begins to connect for commands; the subscriber is started by itself.
    func start() {
        self.connection.start()
        self.durable?.connection.start()
    }

    /// Nobody has said yet where to connect to.
    func park() {
        self.connection.link.isParked = true
        self.durable?.connection.link.isParked = true
        self.subscriber.link.isParked = true
    }

    func move(to endpoint: Endpoint) {
        self.connection.move(to: endpoint)
        self.durable?.connection.move(to: endpoint)
        self.subscriber.move(to: endpoint)
    }

    /// Takes no more commands: what was not sent is given back as unavailable, what is on its way may be answered.
    func retire() {
        self.subscriber.close()
        self.connection.retire()
        self.durable?.connection.retire()
    }

    func close() {
        self.subscriber.close()
        self.connection.close()
        self.durable?.connection.close()
    }
}
