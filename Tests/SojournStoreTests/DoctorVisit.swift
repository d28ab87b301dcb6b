import SojournLoop
import SojournTesting

@testable import SojournStore

/// What the doctor finds wrong with sessions and keys, in a keyspace of tests.
enum DoctorVisit {
    static func findings(
        on server: RedisServer, repairs: Bool = false, walks: Bool = true, user: String? = nil, partitions: Int = 16,
        _ change: (inout StoreConfiguration) -> Void = { _ in }
    ) async throws -> [Finding] {
        var configuration = StoreConfiguration(redis: server.topology, nodeName: "doctor")
        configuration.partitions = partitions
        change(&configuration)
        var options = Doctor.Options()
        (options.repairs, options.walks, options.user) = (repairs, walks, user)
        options.rate = 1_000_000
        let loop = EventLoop(name: "doctor")
        defer { loop.stop() }
        return try await loop.run { [configuration, options] in
            try await Doctor.examine(configuration, on: loop, options: options)
        }
    }

    /// The sentences about sessions and keys that are not as the laws want them, by the test clock.
    static func ailments(on server: RedisServer) async throws -> [String] {
        try await self.findings(on: server) { $0.testClock = true }.filter { finding in
            finding.weight == .error && Ailment.words.contains { finding.sentence.contains(" \(Ailment($0).name): ") }
        }.map(\.sentence)
    }
}
