// Package helmtext gathers the texts of Helm v3.22 that Fairlead has to recognize, because Helm gives nothing else:
// descriptions of release records, and errors. A contract test runs Helm itself and fails when a new version of Helm
// words one of them otherwise. Nothing of Fairlead is recognized here: what Fairlead writes has markers of its own.
package helmtext

import (
	"fmt"
	"regexp"
	"strings"
)

// Words with which Helm begins the description of a revision that failed.
const (
	install  = "Release"
	upgrade  = "Upgrade"
	rollback = "Rollback"
)

// rolledBackTo begins the description of a revision that a rollback makes, from its beginning on.
const rolledBackTo = rollback + " "

// failed begins the description of a revision that failed.
var failed = regexp.MustCompile(`^(` + install + `|` + upgrade + `|` + rollback + `) ".*" failed: `)

// Texts of errors.
const (
	schema  = "values don't meet the specifications of the schema"
	pending = "another operation (install/upgrade/rollback) is in progress"
	version = "chart requires kubeVersion"
)

// rendering are texts in errors of the template engine and of the parser of its output.
var rendering = []string{"execution error at (", "parse error at (", "YAML parse error on ", version}

// position is how an error of Go's templates, which Helm passes on, begins. The field spec.template of an object does
// not look like that.
var position = regexp.MustCompile(`(^|[\s(])template: [^\s:]+:\d+`)

// hook is how Helm begins the error of an install or upgrade of which a hook failed. It keeps the cause as text only;
// the other actions wrap it.
var hook = regexp.MustCompile(`^(failed (pre|post)-install|(pre|post)-upgrade hooks failed): `)

// Cause returns why a revision failed, without what Helm puts in front, and whether the description is that of a
// failure.
func Cause(description string) (cause string, isFailure bool) {
	at := failed.FindStringIndex(description)
	if at == nil {
		return strings.TrimSpace(description), false
	}
	return strings.TrimSpace(description[at[1]:]), true
}

// OfInstall is the description that Helm gives a revision whose install failed.
func OfInstall(name string, cause any) string { return failure(install, name, cause) }

// OfUpgrade is the description that Helm gives a revision whose upgrade failed.
func OfUpgrade(name string, cause any) string { return failure(upgrade, name, cause) }

// OfRollback is the description that Helm gives a revision of a rollback that failed.
func OfRollback(name string, cause any) string { return failure(rollback, name, cause) }

func failure(action, name string, cause any) string {
	return fmt.Sprintf("%s %q failed: %v", action, name, cause)
}

// IsRollback reports whether a description is that of a revision that a rollback made, whether or not it succeeded.
func IsRollback(description string) bool { return strings.HasPrefix(description, rolledBackTo) }

// IsSchema reports whether an error says that values break the schema of a chart.
func IsSchema(text string) bool { return strings.Contains(text, schema) }

// IsPending reports whether an error says that another Helm client is at work on the release.
func IsPending(text string) bool { return strings.Contains(text, pending) }

// IsRendering reports whether an error says that a chart cannot be rendered.
func IsRendering(text string) bool {
	for _, part := range rendering {
		if strings.Contains(text, part) {
			return true
		}
	}
	return position.MatchString(text)
}

// IsHook reports whether an error says that a hook of an install or upgrade failed.
func IsHook(text string) bool { return hook.MatchString(text) }
