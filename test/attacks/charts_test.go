package attacks

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/hostile"
	"fairlead.dev/fairlead/test/servers"
)

// refusedRender is the reason with which a chart is refused that is too much.
var refusedRender = []string{v1beta1.RenderingLimitExceededReason}

// refusedSchema is the reason with which a schema is refused that refers to something else.
var refusedSchema = []string{v1beta1.SchemaFailedReason}

func charts(all ...map[string]string) []map[string]string { return all }

// A chart reaches neither the network nor the files of the controller.
func TestSchemasOfCharts(t *testing.T) {
	withSchema := func(schema string) []map[string]string {
		return charts(hostile.Chart("schema", "values.schema.json", schema, "values.yaml", "a: b\n", "templates/a.yaml",
			hostile.Config("a")))
	}
	refs := map[string]string{
		"the schema refers to a URL":             "http://$HOST/internal",
		"the schema refers to a redirecting URL": "http://$HOST/redirect",
		"the schema refers to an https URL":      "https://$HOST/internal",
		"the schema refers to a file":            "file://$FILE",
		"the schema refers to the environment":   "file:///proc/self/environ",
		"the schema refers to a relative file":   "../../../../../../$FILE",
	}
	for _, name := range slices.Sorted(maps.Keys(refs)) {
		play(t, attack{name: name, charts: withSchema(`{"type": "object", "properties": {"a": {"$ref": "` + refs[name] +
			`"}}}`), reasons: refusedSchema, absent: nothingStolen})
	}
	sub := hostile.Chart("schema", "templates/a.yaml", hostile.Config("a"), "charts/sub/Chart.yaml",
		"apiVersion: v2\nname: sub\nversion: 1.0.0\n", "charts/sub/values.yaml", "a: b\n",
		"charts/sub/values.schema.json", `{"properties": {"a": {"$ref": "http://$HOST/internal"}}}`)
	play(t, attack{name: "the schema of a subchart refers to a URL", charts: charts(sub), reasons: refusedSchema,
		absent: nothingStolen})
}

// A template that never ends, or never has enough, is ended, and its neighbors do not notice.
func TestTemplates(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(hostile.Templates)) {
		play(t, attack{name: name, charts: charts(hostile.Templates[name]), reasons: rendered(name), absent: nothingStolen,
			heavy: true})
	}
	play(t, attack{
		name: "two releases loop", charts: charts(hostile.Templates["ranges are nested"]), objects: many(2, "loop"),
		heavy:   true,
		refused: "HelmRelease/*", reasons: refusedRender, absent: nothingStolen,
	})
}

// rendered is the reason with which a template is refused. Helm itself counts how deep templates include each other.
func rendered(name string) []string {
	if name == "a template includes itself" || name == "template-rec" {
		return []string{v1beta1.RenderFailedReason}
	}
	return refusedRender
}

// many are releases of the chart bomb.
func many(count int, name string) string {
	text := ""
	for i := range count {
		text += "\n---\n" + helmRelease(fmt.Sprintf("%s-%d", name, i), "bomb", "")
	}
	return text[len("\n---\n"):]
}

// The inputs in the folder beside the project that went wrong before.
func TestTemplatesThatWentWrong(t *testing.T) {
	folder, err := casesFolder()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(folder); os.IsNotExist(err) {
		t.Skip("the folder shared/cases beside the project is absent; TestTemplates has equivalents of what is in it")
	}
	for _, name := range []string{"template-loop", "template-mem", "template-tpl", "template-rec"} {
		files, err := servers.ReadDir(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		play(t, attack{name: name, charts: charts(files), reasons: rendered(name), absent: nothingStolen, heavy: true})
	}
}
