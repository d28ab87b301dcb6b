import SojournCore
import SojournStore

/// What a node is told of single agents when it starts.
enum AgentSettings {
    /// The agents in a file: an array of objects with an `id`, or an object with such an array under `agents`.
    ///
    /// - Throws: ``StartError`` with a sentence that names the file.
    static func agents(in path: String) throws(StartError) -> [Agent] {
        guard let text = File.text(path) else {
            throw StartError("the agents file \(path) cannot be read")
        }
        let json: JSON
        do {
            json = try JSON.parse(text)
        } catch {
            throw StartError("the agents file \(path) is not JSON: \(error)")
        }
        guard let list = json.array ?? json["agents"]?.array else {
            throw StartError("the agents file \(path) must hold an array of agents")
        }
        var agents: [Agent] = []
        for (place, entry) in list.enumerated() {
            do throws(StoreError) {
                agents.append(try Agent(id: entry["id"]?.string ?? "", settings: entry))
            } catch {
                throw StartError("agent \(place + 1) of the agents file \(path): \(error.message)")
            }
        }
        return agents
    }

    /// `AGENT_<ID or NAME>_SESSION_TIMEOUT_MINUTES` and its siblings, by what stands for the id or name.
    static func timeouts(_ environment: [String: String]) -> [String: JSONObject] {
        let endings = [
            "_SESSION_TIMEOUT_MINUTES": "timeoutMinutes", "_SESSION_MAX_DURATION_MINUTES": "maxDurationMinutes",
            "_SESSION_WARNING_THRESHOLD_MINUTES": "warningThresholdMinutes", "_SESSION_AUTO_RENEW": "autoRenew",
        ]
        var timeouts: [String: JSONObject] = [:]
        for (variable, value) in environment where variable.hasPrefix("AGENT_") {
            for (ending, name) in endings where variable.hasSuffix(ending) {
                let agent = String(variable.dropFirst(6).dropLast(ending.utf8.count))
                guard !agent.isEmpty else { continue }
                let truth = ["true": true, "1": true, "false": false, "0": false][value.lowercased()]
                timeouts[agent, default: JSONObject()][name] =
                    name == "autoRenew" ? truth.map(JSON.bool) : .string(value)
            }
        }
        return timeouts
    }
}
