import Foundation
import Glibc
import Testing

@testable import SojournCore

@Suite struct PartitionTagsTests {
    @Test func `the table of the default keyspace is what the search finds`() {
        let tags = PartitionTags(count: 256)
        #expect((0..<256).map { tags[$0] } == PartitionTags.search(count: 256))
    }

    @Test func `the checksum is the one of the Redis Cluster specification`() {
        #expect(CRC16.checksum(Array("123456789".utf8)) == 0x31C3)
        #expect(CRC16.checksum([]) == 0)
    }

    @Test(arguments: [1, 2, 16, 256, 1024])
    func `each tag has the slot that its partition stands for`(count: Int) {
        let tags = PartitionTags(count: count)
        #expect(tags.count == count)
        for partition in 0..<count {
            #expect(Int(CRC16.checksum(Array(tags[partition].utf8))) % 16_384 == tags.slot(of: partition))
        }
        #expect(Set((0..<count).map { tags[$0] }).count == count)
    }

    @Test(arguments: 1...64)
    func `every number of masters gets its fair share`(masters: Int) {
        let tags = PartitionTags(count: 256)
        var shares = [Int](repeating: 0, count: masters)
        for partition in 0..<256 {
            // Redis deals out slots in equal ranges: master m owns those from round(m * slots / masters) on.
            let slot = tags.slot(of: partition)
            let master = (0..<masters).last { master in
                slot >= Int((Double(master) * 16_384 / Double(masters)).rounded())
            }
            shares[master ?? 0] += 1
        }
        #expect((shares.max() ?? 0) - (shares.min() ?? 0) <= 1)
    }

    @Test func `only powers of two up to 4096 are partition counts`() {
        let valid = (-1...5000).filter(PartitionTags.isValid)
        #expect(valid == (0...12).map { 1 << $0 })
    }

    @Test func `a real Redis puts each tag into its slot`() throws {
        let server = try ClusterServer()
        defer { server.stop() }
        let tags = PartitionTags(count: 256)
        let slots = try server.keySlots((0..<256).map { "sj:{\(tags[$0])}:s:x" })
        #expect(slots == (0..<256).map { tags.slot(of: $0) })
    }
}

/// A redis-server in cluster mode on a unix socket, for `CLUSTER KEYSLOT`.
private final class ClusterServer {
    private let process = Process()
    private let folder: URL

    init() throws {
        self.folder = URL(fileURLWithPath: "/tmp/sj-core-\(getpid())-\(UInt32.random(in: 0 ... .max))")
        try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true)
        self.process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        self.process.arguments = [
            "redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", self.folder.path, "--save", "",
            "--cluster-enabled", "yes", "--logfile", self.folder.path + "/log",
        ]
        try self.process.run()
    }

    private var socket: String { self.folder.path + "/redis.sock" }

    func stop() {
        kill(self.process.processIdentifier, SIGKILL)
        self.process.waitUntilExit()
        try? FileManager.default.removeItem(at: self.folder)
    }

    func keySlots(_ keys: [String]) throws -> [Int] {
        let descriptor = try self.connect()
        defer { close(descriptor) }
        let request = keys.map { "*3\r\n$7\r\nCLUSTER\r\n$7\r\nKEYSLOT\r\n$\($0.utf8.count)\r\n\($0)\r\n" }.joined()
        let sent = Array(request.utf8)
        #expect(write(descriptor, sent, sent.count) == sent.count)
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while answer.count(where: { $0 == 10 }) < keys.count {
            let count = read(descriptor, &buffer, buffer.count)
            try #require(count > 0, "redis-server closed the connection")
            answer += buffer[..<count]
        }
        return String(decoding: answer, as: UTF8.self).split(separator: "\r\n").compactMap { Int($0.dropFirst()) }
    }

    /// Waits for the socket to appear and connects to it.
    private func connect() throws -> CInt {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: self.socket.utf8) }
        let deadline = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now < deadline {
            let descriptor = streamSocket()
            let code = withUnsafePointer(to: address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            if code == 0 { return descriptor }
            close(descriptor)
            try #require(self.process.isRunning, "redis-server ended at once")
            poll(nil, 0, 10)
        }
        throw CocoaError(.fileReadUnknown)
    }

    private func streamSocket() -> CInt { Glibc.socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0) }
}
