import Foundation
import Glibc

/// The worker of the README as a process of its own. It is killed, by number, with its owner.
public final class WorkerProcess: Sendable {
    private let process: TestProcess

    /// Starts it for the node at a port.
    ///
    /// - Parameter lease: for how long it claims its turns.
    public init(
        port: Int, agent: String = "11111111-1111-4111-8111-111111111111", in folder: TemporaryFolder, lease: String
    ) throws {
        let path = folder.file("worker-\(UInt32.random(in: 0 ... .max))")
        // It thinks a while about each word, so that kills find it at work.
        let text = try Readme.block("python").replacing("wait=20s", with: "wait=2s&lease=\(lease)")
            .replacing("        yield", with: "        time.sleep(0.03)\n        yield")
        try text.write(toFile: path + ".py", atomically: true, encoding: .utf8)
        self.process = try TestProcess(
            "/usr/bin/python3",
            [path + ".py", "http://127.0.0.1:\(port)", agent], output: path + ".out")
    }

    /// Ends it at once, wherever it is.
    public func kill9() {
        self.process.kill9()
        self.process.wait()
    }

    /// Sends it a signal, such as SIGSTOP.
    public func signal(_ number: CInt) { self.process.signal(number) }
}
