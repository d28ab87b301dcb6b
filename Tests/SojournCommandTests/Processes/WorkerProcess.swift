import Foundation
import Glibc
import SojournTesting

/// The worker of the README as a process of its own. It is killed, by number, with its owner.
final class WorkerProcess {
    let pid: pid_t
    private var isOver = false

    /// Starts it for a node.
    ///
    /// - Parameter lease: for how long it claims its turns.
    init(_ node: NodeProcess, in folder: TemporaryFolder, lease: String) throws {
        let path = folder.file("worker-\(UInt32.random(in: 0 ... .max))")
        // It thinks a while about each word, so that kills find it at work.
        let text = try Readme.block("python").replacing("wait=20s", with: "wait=2s&lease=\(lease)")
            .replacing("        yield", with: "        time.sleep(0.03)\n        yield")
        try text.write(toFile: path + ".py", atomically: true, encoding: .utf8)
        let arguments = [
            "/usr/bin/python3", path + ".py", "http://127.0.0.1:\(node.port ?? 0)",
            "11111111-1111-4111-8111-111111111111",
        ]
        var files = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&files)
        defer { posix_spawn_file_actions_destroy(&files) }
        for descriptor: CInt in 1...2 {
            posix_spawn_file_actions_addopen(&files, descriptor, path + ".out", O_WRONLY | O_CREAT | O_APPEND, 0o644)
        }
        var words = arguments.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, "/usr/bin/python3", &files, nil, &words, environ)
        guard code == 0 else { throw NotInTime(description: "python3 does not start: error \(code)") }
        self.pid = pid
    }

    deinit { self.kill9() }

    /// Ends it at once, wherever it is.
    func kill9() {
        guard !self.isOver else { return }
        self.isOver = true
        kill(self.pid, SIGKILL)
        waitpid(self.pid, nil, 0)
    }
}
