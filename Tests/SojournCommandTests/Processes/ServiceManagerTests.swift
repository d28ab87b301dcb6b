import Glibc
import SojournTesting
import Testing

@testable import SojournCommand

/// Where a service manager listens.
private final class NotifySocket {
    private let descriptor: CInt
    private var heard: [String] = []

    /// - Parameter name: a path, or with `@` in front an abstract name.
    init(_ name: String) throws {
        self.descriptor = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(name.utf8)
        if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(self.descriptor, $0, length) }
        }
        try #require(code == 0, "bind: errno \(errno)")
    }

    deinit { close(self.descriptor) }

    /// All that was said so far.
    func all() -> [String] {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = recv(self.descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { return self.heard }
            self.heard.append(String(decoding: buffer[..<count], as: UTF8.self))
        }
    }
}

@Suite struct ServiceManagerTests {
    @Test(arguments: [false, true])
    func `the service manager hears when a node is ready, that it works, and that it stops`(isAbstract: Bool)
        async throws
    {
        let folder = TemporaryFolder()
        let name = isAbstract ? "@sojourn-test-\(UInt64.random(in: 0 ... .max))" : folder.file("notify")
        let socket = try NotifySocket(name)
        let node = try NodeProcess(
            "managed", in: folder, ["--archive", "none"],
            environment: ["NOTIFY_SOCKET": name, "WATCHDOG_USEC": "300000"])
        try await node.up()
        try await eventually("it is ready") { socket.all().contains { $0.hasPrefix("READY=1\nSTATUS=serves http://") } }
        try await eventually("it is well") { socket.all().count { $0 == "WATCHDOG=1" } >= 3 }
        #expect(try await node.stop() == .exited(0))
        #expect(socket.all().contains { $0.hasPrefix("STOPPING=1") })
    }

    @Test func `a watchdog for another process is none of ours`() {
        let variables = ["NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"]
        #expect(ServiceManager(environment: variables, process: 2).watchdog == nil)
        #expect(ServiceManager(environment: variables, process: 1).watchdog == 1000)
        #expect(ServiceManager(environment: ["WATCHDOG_USEC": "1000"]).watchdog == nil)
    }
}
