package config

import (
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

const (
	// terminalColumns is the width of a usual terminal.
	terminalColumns = 80
	// kubectlGap is the number of spaces that kubectl prints between two columns.
	kubectlGap = 3
	// longName is as long as the names of most objects.
	longName = "payments-frontend"
)

// longCells are the longest texts that kubectl usually prints for the fields behind the columns of `kubectl get`. A field that is
// not here, such as a message, an address or a revision, has no usual length: its column is for -o wide.
var longCells = map[string]string{
	`.status.conditions[?(@.type=="Ready")].status`: "Unknown",
	`.status.conditions[?(@.type=="Ready")].reason`: "StorageOperationFailed",
	`.metadata.creationTimestamp`:                   "4y364d",
	`.status.history[0].chartVersion`:               "10.12.3-rc.1",
	`.spec.chart`:                                   "payments-front",
	`.spec.type`:                                    "bitbucket",
	`.spec.stage`:                                   "production",
	`.spec.version`:                                 "10.12.3-rc.1",
	`.spec.pipeline`:                                "payments",
	`.spec.decision`:                                "Approve",
	`.spec.kind`:                                    "Kustomization",
	`.spec.name`:                                    "payments-front",
	`.spec.risk`:                                    "Escalation",
	`.status.phase`:                                 "Superseded",
	`.spec.from`:                                    "2026-11-27T18:00:00Z",
	`.spec.until`:                                   "2026-11-30T06:00:00Z",
}

// kubectlWidth is how wide the table of `kubectl get` is, and the fields without a usual length that it shows.
func kubectlWidth(columns []apiextensionsv1.CustomResourceColumnDefinition) (width int, unbounded []string) {
	width = len(longName)
	for _, column := range columns {
		if column.Priority > 0 {
			continue
		}

		cell, known := longCells[column.JSONPath]
		if !known {
			unbounded = append(unbounded, column.Name+" "+column.JSONPath)
		}

		width += kubectlGap + max(len(column.Name), len(cell))
	}

	return width, unbounded
}

func TestKubectlGetFitsATerminal(t *testing.T) {
	t.Parallel()
	for _, file := range glob(t, "config", "crd", "fairlead.dev_*.yaml") {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict([]byte(read(t, file[len(root)+1:])), crd); err != nil {
			t.Fatal(err)
		}

		kind := crd.Spec.Names.Kind
		columns := crd.Spec.Versions[0].AdditionalPrinterColumns
		width, unbounded := kubectlWidth(columns)
		if len(unbounded) > 0 {
			t.Errorf("%s: `kubectl get` shows columns without a usual length: %s", kind, strings.Join(unbounded, ", "))
		}

		if width > terminalColumns {
			t.Errorf("%s: `kubectl get` is %d columns wide", kind, width)
		}

		for _, column := range columns {
			// kubectl prints <invalid> for a moment that is still to come.
			if column.Type == "date" && column.JSONPath != ".metadata.creationTimestamp" {
				t.Errorf("%s: column %s is a date that can be in the future", kind, column.Name)
			}
		}
	}
}

func TestAWideTableIsFound(t *testing.T) {
	t.Parallel()
	width, unbounded := kubectlWidth([]apiextensionsv1.CustomResourceColumnDefinition{
		{Name: "Ready", JSONPath: `.status.conditions[?(@.type=="Ready")].status`},
		{Name: "Status", JSONPath: `.status.conditions[?(@.type=="Ready")].message`},
		{Name: "URL", JSONPath: ".spec.url", Priority: 1},
	})
	if len(unbounded) != 1 || !strings.HasPrefix(unbounded[0], "Status ") {
		t.Errorf("found %q, want the column Status alone", unbounded)
	}

	if want := len(longName) + 2*kubectlGap + len("Unknown") + len("Status"); width != want {
		t.Errorf("the table is %d columns wide, want %d", width, want)
	}
}
