import Foundation
import Glibc
import SojournTesting

@main
struct Main {
    static func main() async {
        // Descriptors of broken connections add up over a long run.
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            limit.rlim_cur = limit.rlim_max
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        }
        let arguments = Array(CommandLine.arguments.dropFirst())
        if arguments.contains("--help") || arguments.contains("-h") {
            print(Options.help)
            exit(0)
        }
        do {
            exit(try await Run(try Options(arguments)).run() ? 0 : 1)
        } catch let error as Options.Wrong {
            Progress.say("ops/chaos: \(error.sentence)\ntry: ops/chaos --help")
            exit(64)
        } catch {
            Progress.say("ops/chaos: the run failed: \(error)")
            exit(2)
        }
    }
}
