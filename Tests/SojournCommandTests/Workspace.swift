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
    ///
    /// Another process writes it: a descriptor open for writing here would be inherited for a moment by what other
    /// tests fork, and the system refuses to run a file that someone may still write (ETXTBSY).
    func program(_ text: String) throws -> String {
        let path = self.path + "/program"
        let script = #"printf '#!/bin/sh\n%s\n' "$1" > "$2" && chmod 755 "$2""#
        _ = try ChildProcess.output(
            of: "/bin/sh", ["-c", script, "sh", text, path], environment: Environment.variables)
        return path
    }
}
