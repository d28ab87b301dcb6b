import Foundation
import SojournLoop
import SojournTesting
import Testing

/// Several nodes on one Redis, of which one after the other is killed and comes back.
final class Fleet {
    /// The ports of the nodes that are up, for clients on their own threads.
    final class Ports: Sendable {
        private let ports: Locked<[Int?]>
        init(_ count: Int) { self.ports = Locked(Array(repeating: nil, count: count)) }
        func set(_ port: Int?, at place: Int) { self.ports.withLock { $0[place] = port } }
        var any: Int? { self.ports.withLock { $0.compactMap { $0 } }.randomElement() }
    }

    let ports: Ports
    private var nodes: [NodeProcess] = []
    private let server: RedisServer
    private let folder = TemporaryFolder()
    private let arguments: [String]

    init(_ count: Int, on server: RedisServer, _ arguments: [String] = []) async throws {
        self.server = server
        self.arguments = arguments
        self.ports = Ports(count)
        for place in 0..<count { self.nodes.append(try self.launch(place)) }
        for (place, node) in self.nodes.enumerated() { try await self.await(node, place) }
    }

    subscript(place: Int) -> NodeProcess { self.nodes[place] }

    private func launch(_ place: Int) throws -> NodeProcess {
        try NodeProcess(
            "n\(place)", in: self.folder,
            ["--redis", self.server.url, "--partitions", "16"] + self.arguments)
    }

    private func `await`(_ node: NodeProcess, _ place: Int) async throws {
        try await eventually(within: 60, "\(node.name) is up") { node.port != nil || !node.isRunning }
        guard let port = node.port else { throw Unanswered(description: "\(node.name) did not start: \(node.log)") }
        self.ports.set(port, at: place)
    }

    /// Kills a node as the kernel would, and starts it again on another port.
    func kill(_ place: Int) async throws {
        self.nodes[place].kill9()
        self.ports.set(nil, at: place)
        try await eventually(within: 60, "it ends") { !self.nodes[place].isRunning }
        self.nodes[place] = try self.launch(place)
        try await self.await(self.nodes[place], place)
    }

    func stop() { for node in self.nodes { node.kill9() } }
}
