package engine

import (
	"errors"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine/records"
	"fairlead.dev/fairlead/helmops/plan"
)

// Helm gives most of its failures as text only; these are the texts of v3.22 that tell classes apart.
const (
	schemaText = "values don't meet the specifications of the schema"
)

// renderTexts appear in errors of the template engine and of the parser of its output.
var renderTexts = []string{"execution error at (", "parse error at (", "YAML parse error on ", "chart requires kubeVersion"}

// templatePosition is how Go's templates begin an error. The field spec.template of an object does not look like that.
var templatePosition = regexp.MustCompile(`(^|[\s(])template: [^\s:]+:\d+`)

// Reason gives the condition reason for a failed action, and whether the same input can never succeed.
func Reason(step plan.Step, err error) (reason string, final bool) {
	text := err.Error()
	switch {
	case strings.Contains(text, schemaText):
		return v1beta1.SchemaFailedReason, true
	case isRender(text):
		return v1beta1.RenderFailedReason, false
	case errors.Is(err, records.ErrModified):
		return v1beta1.StorageErrorReason, false
	case apierrors.IsForbidden(err):
		return v1beta1.AccessDeniedReason, false
	}
	switch step {
	case plan.Install:
		return v1beta1.InstallFailedReason, false
	case plan.Uninstall:
		return v1beta1.UninstallFailedReason, false
	default:
		return v1beta1.UpgradeFailedReason, false
	}
}

func isRender(text string) bool {
	for _, part := range renderTexts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return templatePosition.MatchString(text)
}
