/// The text of `sojourn serve --help`, made from the table.
enum SettingsHelp {
    static var text: String {
        """
        sojourn serve: runs a node until it is told to stop.

        usage: sojourn serve [--setting value] …

        Each setting is a flag (--port 3000), a variable (SOJOURN_PORT=3000), or a line (port = 3000) of the file
        that --config or SOJOURN_CONFIG names. A flag counts more than a variable, that more than the file.

          --config FILE
              reads settings from this file; lines that begin with # are comments

        """ + ServeSettings.table.map(self.entry).joined(separator: "\n") + self.variables
    }

    /// What only variables can say.
    private static let variables = """

          Timeouts of one agent come from the variables AGENT_<ID or NAME>_SESSION_TIMEOUT_MINUTES,
          …_SESSION_MAX_DURATION_MINUTES, …_SESSION_WARNING_THRESHOLD_MINUTES and …_SESSION_AUTO_RENEW.

        """

    private static func entry(_ setting: Setting) -> String {
        let value = setting.placeholder.map { " \($0)" } ?? ""
        let aliases = setting.aliases.isEmpty ? "" : "; also " + setting.aliases.joined(separator: ", ")
        return """
              \(setting.flag)\(value)
                  \(setting.help)
                  default: \(setting.standard)\(aliases)

            """
    }
}
