import Glibc
import SojournTesting
import Testing

@testable import SojournCommand

@Suite struct LogLevelTests {
    @Test func `SIGUSR1 makes the log tell more, and then as much as before`() async throws {
        let folder = TemporaryFolder()
        let node = try NodeProcess("loud", in: folder, ["--log-level", "error", "--archive", "none"])
        try await node.up()
        func ask() throws { #expect(try node.ask("GET", "/livez").status == 200) }
        try ask()
        #expect(!node.log.contains("a request was answered"))
        kill(node.pid, SIGUSR1)
        try await eventually("it says debug") { node.log.contains(#"msg="the level of the log changes" level=debug"#) }
        try ask()
        try await eventually("the request is there") { node.log.contains(#"msg="a request was answered""#) }
        kill(node.pid, SIGUSR1)
        try await eventually("it says trace") { node.log.contains("level=trace") }
        kill(node.pid, SIGUSR1)
        try await eventually("it says error") { node.log.contains(#"changes" level=error"#) }
        // The signal and what follows it are two threads' work: the level is what counts in the end.
        try await eventually("it is quiet again") {
            let before = node.log.count
            try ask()
            return node.log.count == before
        }
        #expect(try await node.stop() == .exited(0))
    }
}
