import Foundation
import Glibc
import Testing

@testable import SojournCommand

/// A folder of its own for one test. At the end every redis-server that works in it is killed, by number.
final class Workspace: Sendable {
    let path: String

    init(prefix: String = "/tmp/sj-cmd") throws {
        let folder = "\(prefix)-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        self.path = try #require(File.absolute(folder))
    }

    deinit {
        while let process = ChildProcess.find(named: "redis-server", workingIn: self.path + "/data/redis") {
            kill(process, SIGKILL)
            waitpid(process, nil, 0)
        }
        try? FileManager.default.removeItem(atPath: self.path)
    }

    var data: String { self.path + "/data" }

    /// The private server's process, if one runs.
    var server: pid_t? { ChildProcess.find(named: "redis-server", workingIn: self.data + "/redis") }

    /// Writes a program that stands in for redis-server.
    func program(_ text: String) throws -> String {
        let path = self.path + "/program"
        try Data("#!/bin/sh\n\(text)\n".utf8).write(to: URL(fileURLWithPath: path))
        chmod(path, 0o755)
        return path
    }
}

/// Waits until a condition holds, at most 20 seconds.
func eventually(
    _ what: String, at location: SourceLocation = #_sourceLocation, _ condition: () async throws -> Bool
) async throws {
    let limit = ContinuousClock.now + .seconds(20)
    while ContinuousClock.now < limit {
        if try await condition() { return }
        poll(nil, 0, 10)
        await Task.yield()
    }
    try #require(Bool(false), "never happened: \(what)", sourceLocation: location)
}
