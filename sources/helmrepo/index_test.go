package helmrepo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

const hex64 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

const usual = `apiVersion: v1
entries:
  alpha:
  - annotations:
      artifacthub.io/changes: |
        - kind: fixed
          description: "entries:"

        version: 9.9.9
    apiVersion: v2
    appVersion: 1.0
    created: "2024-01-01T00:00:00Z"
    description: 'A text that goes on
      over: two lines

      and an empty one'
    digest: ` + hex64 + `
    kubeVersion: '>=1.20.0-0'
    maintainers:
    - name: somebody
      version: 8.8.8
    name: alpha
    urls:
    - https://example.com/alpha-1.0.0.tgz
    - https://mirror.example.com/alpha-1.0.0.tgz
    version: 1.0.0
  # a comment
  - apiVersion: v2
    name: alpha
    urls: [alpha-1.10.0.tgz]
    version: "1.10.0"
  - name: alpha
    version: v1.9.0 # a comment
    digest: SHA256:` + hex64 + `
    urls:
      - charts/alpha-1.9.0.tgz
  "beta":
  - name: beta
    urls:
    - beta.tgz
    version: 0.1.0
  gamma: []
generated: "2024-01-01T00:00:00Z"
`

func parse(t *testing.T, doc string) *Index {
	t.Helper()
	i, err := ParseIndex(strings.NewReader(doc), 0)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// asText is an index as text, for comparing.
func asText(i *Index) []string {
	var lines []string
	for _, chart := range i.Charts() {
		lines = append(lines, chart+":")
		for _, e := range i.Versions(chart) {
			lines = append(lines, strings.Join([]string{e.Name, e.Tag, e.Digest, e.URL, e.KubeVersion, e.AppVersion}, " "))
		}
	}
	return append(lines, fmt.Sprint("skipped ", i.Skipped()))
}

var usualShown = []string{
	"alpha:",
	"alpha 1.10.0  alpha-1.10.0.tgz  ",
	"alpha v1.9.0 sha256:" + hex64 + " charts/alpha-1.9.0.tgz  ",
	"alpha 1.0.0 sha256:" + hex64 + " https://example.com/alpha-1.0.0.tgz >=1.20.0-0 1.0",
	"beta:",
	"beta 0.1.0  beta.tgz  ",
	"gamma:",
	"skipped 0",
}

func TestParseIndexReadsEveryLayout(t *testing.T) {
	asJSON, err := yaml.YAMLToJSON([]byte(strings.Replace(usual, "appVersion: 1.0", `appVersion: "1.0"`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(asJSON, &doc); err != nil {
		t.Fatal(err)
	}
	indented, err := json.MarshalIndent(doc, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	deeper := strings.NewReplacer("\n  - ", "\n      - ", "\n    ", "\n        ").Replace(usual)
	for name, text := range map[string]string{
		"block style":                      usual,
		"block style with deeper lists":    deeper,
		"carriage returns":                 strings.ReplaceAll(usual, "\n", "\r\n"),
		"a byte order mark and a document": "\ufeff---\n" + usual,
		"JSON":                             string(asJSON),
		"indented JSON":                    "\n\t" + string(indented) + "\n",
		"a flow mapping after entries":     "apiVersion: v1\nentries: " + entriesOf(t, asJSON) + "\n",
		"flow style all over":              "{apiVersion: v1, entries: " + entriesOf(t, asJSON) + "}",
		"a directive":                      "%YAML 1.1\n---\n" + usual,
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(usualShown, asText(parse(t, text))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func entriesOf(t *testing.T, doc []byte) string {
	t.Helper()
	var parsed struct{ Entries json.RawMessage }
	if err := json.Unmarshal(doc, &parsed); err != nil {
		t.Fatal(err)
	}
	return string(parsed.Entries)
}

func TestParseIndexSkipsWhatCannotBeUsed(t *testing.T) {
	const doc = `apiVersion: v1
entries:
  a:
  - {}
  - name: a
    urls: [x]
    version: latest
  - name: a
    version: 1.0.0
    urls: []
  - name: ../a
    urls: [x]
    version: 1.0.0
  - name: [a]
    urls: [x]
    version: 1.0.0
  - name: a
    urls: [first]
    version: 1.0.0
    digest: md5:abc
  - name: a
    urls: [second]
    version: 1.0.0
  b:
  - urls: [x]
    version: 1.0.0
`
	i := parse(t, doc)
	want := []string{"a:", "a 1.0.0  first  ", "b:", "skipped 7"}
	if diff := cmp.Diff(want, asText(i)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	asJSON, err := yaml.YAMLToJSON([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, asText(parse(t, string(asJSON)))); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
}

// Versions are read as Helm reads them: a lenient one is there, an underscore is no plus, and of two builds the one
// created last is the newest, in every layout.
func TestParseIndexReadsVersionsAsHelm(t *testing.T) {
	const doc = `apiVersion: v1
entries:
  a:
  - {name: a, urls: [x], version: 1.9.0_1}
  - {name: a, urls: [x], version: "1.8"}
  - {name: a, urls: [x], version: 1.2.0+b, created: "2026-01-01T00:00:00+02:00"}
  - {name: a, urls: [x], version: 1.2.0+a, created: "2026-01-01T00:00:00.5Z"}
  - {name: a, urls: [x], version: 1.2.0+c, created: yesterday}
`
	asJSON, err := yaml.YAMLToJSON([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	block := "entries:\n  a:\n  - name: a\n    urls: [x]\n    version: 1.2.0+b\n    created: 2026-01-01T00:00:00+02:00\n" +
		"  - name: a\n    urls: [x]\n    version: 1.2.0+a\n    created: \"2026-01-01T00:00:00.5Z\"\n"
	for text, want := range map[string][]string{
		doc:            {"a:", "a 1.2.0+a  x  ", "a 1.2.0+b  x  ", "a 1.2.0+c  x  ", "a 1.8  x  ", "skipped 1"},
		string(asJSON): {"a:", "a 1.2.0+a  x  ", "a 1.2.0+b  x  ", "a 1.2.0+c  x  ", "a 1.8  x  ", "skipped 1"},
		block:          {"a:", "a 1.2.0+a  x  ", "a 1.2.0+b  x  ", "skipped 0"},
	} {
		i := parse(t, text)
		if diff := cmp.Diff(want, asText(i)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if e, err := i.Select("a", sources.VersionConstraint{Constraint: "1.2.0"}); err != nil || e.Tag != "1.2.0+a" {
			t.Errorf("chose %q, %v", e.Tag, err)
		}
	}
}

func TestParseIndexAcceptsAnEmptyOne(t *testing.T) {
	for _, doc := range []string{
		"apiVersion: v1\nentries: {}\n", "entries:\n", "entries:\napiVersion: v1\n", `{"entries":{}}`, `{"entries":null}`,
		"entries: null",
	} {
		if i := parse(t, doc); len(i.Charts()) != 0 {
			t.Errorf("%q: %v", doc, i.Charts())
		}
	}
}

func TestParseIndexRefusesWhatIsNoIndex(t *testing.T) {
	for name, doc := range map[string]string{
		"nothing":                 "",
		"blanks":                  "  \n\n",
		"a page":                  "<!DOCTYPE html>\n<html><body>entries: none</body></html>\n",
		"another document":        "apiVersion: v1\nkind: List\nitems: []\n",
		"another JSON document":   `{"apiVersion":"v1"}`,
		"a JSON list":             `[{"entries":{}}]`,
		"JSON that is cut off":    `{"entries":{"a":[{"name":"a","version":"1.0.0","urls":["x"]}`,
		"JSON with a tail":        `{"entries":{}} and more`,
		"entries that are a list": "entries:\n- a\n- b\n",
		"entries that are a text": "entries: none\n",
		"broken quotes":           "entries:\n  a:\n  - name: \"a\n    version: 1.0.0\n",
		"a tab":                   "entries:\n\ta: []\n",
		"binary":                  "\x1f\x8b\x08\x00\x00\x00",
		"an unknown alias":        "entries:\n  a: *b\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseIndex(strings.NewReader(doc), 0)
			wantFailure(t, err, v1beta1.InvalidContentReason)
		})
	}
}

func wantFailure(t *testing.T, err error, reason string) {
	t.Helper()
	if sources.Reason(err) != reason {
		t.Fatalf("got reason %q: %v; want %q", sources.Reason(err), err, reason)
	}
}

func TestParseIndexIsBounded(t *testing.T) {
	if _, err := ParseIndex(strings.NewReader(usual), int64(len(usual))); err != nil {
		t.Errorf("an index of exactly the limit: %v", err)
	}
	_, err := ParseIndex(strings.NewReader(usual), int64(len(usual))-1)
	wantFailure(t, err, v1beta1.InvalidContentReason)
	if !strings.Contains(err.Error(), "bytes that are allowed") {
		t.Errorf("got %v", err)
	}
	// A large document that is not laid out as usual is refused rather than read in one piece.
	_, err = ParseIndex(io.MultiReader(strings.NewReader("entries: {a: ["), &repeat{text: "{name: a},", left: slowLimit}),
		0)
	wantFailure(t, err, v1beta1.InvalidContentReason)
	if !strings.Contains(err.Error(), "unusual") {
		t.Errorf("got %v", err)
	}
}

type repeat struct {
	text string
	left int
}

func (r *repeat) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, io.EOF
	}
	n := copy(p, r.text)
	r.left -= n
	return n, nil
}

func TestParseIndexTellsTheReadersFailureApart(t *testing.T) {
	_, err := ParseIndex(io.MultiReader(strings.NewReader(usual), &failing{errors.New("disk")}), 0)
	wantFailure(t, err, v1beta1.StorageFailedReason)
	_, err = ParseIndex(&failing{sources.Fail(v1beta1.FetchFailedReason, nil, "x")}, 0)
	wantFailure(t, err, v1beta1.FetchFailedReason)
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

func TestIndexSelect(t *testing.T) {
	i := parse(t, usual)
	e, err := i.Select("alpha", sources.VersionConstraint{Constraint: "1.x", Skip: func(v sources.Version) (string, bool) {
		return "bad", v.Tag == "1.10.0"
	}})
	if err != nil || e.Tag != "v1.9.0" || e.URL != "charts/alpha-1.9.0.tgz" {
		t.Errorf("got %+v, %v", e, err)
	}
	_, err = i.Select("alpha", sources.VersionConstraint{Constraint: "2.x"})
	wantFailure(t, err, v1beta1.NoMatchReason)
	_, err = i.Select("gamma", sources.VersionConstraint{})
	wantFailure(t, err, v1beta1.NoMatchReason)
	_, err = i.Select("alpah", sources.VersionConstraint{})
	wantFailure(t, err, v1beta1.NotFoundReason)
	if !strings.Contains(err.Error(), "alpha, beta, gamma") {
		t.Errorf("the charts that are there are not named: %v", err)
	}
}

// large writes an index like a popular repository's: versions of 2.5 kB each.
func large(charts, versions int) []byte {
	var b bytes.Buffer
	b.WriteString("apiVersion: v1\nentries:\n")
	for c := range charts {
		fmt.Fprintf(&b, "  chart-%d:\n", c)
		for v := range versions {
			fmt.Fprintf(&b,
				"  - annotations:\n      category: Database\n      images: |\n%s    apiVersion: v2\n    appVersion: %d.0.0\n"+
					"    created: \"2024-01-01T00:00:00Z\"\n    description: %s\n    digest: %064x\n    home: https://example.com\n"+
					"    kubeVersion: '>=1.20.0-0'\n    name: chart-%d\n    urls:\n    - https://charts.example.com/charts/chart-%d-%d.%d.0.tgz\n    version: %d.%d.0\n",
				strings.Repeat(
					"        - name: image\n          image: registry.example.com/organisation/image:1.2.3-debian-12-r0\n", 20),
				v, strings.Repeat("text ", 60), c*versions+v, c, c, v/100, v%100, v/100, v%100)
		}
	}
	return b.Bytes()
}

func TestParseIndexIsFrugal(t *testing.T) {
	doc := large(10, 1000)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	i, err := ParseIndex(bytes.NewReader(doc), 0)
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if n := len(i.Versions("chart-3")); n != 1000 || len(i.Charts()) != 10 || i.Skipped() != 0 {
		t.Fatalf("%d versions, %d charts, %d skipped", n, len(i.Charts()), i.Skipped())
	}
	kept := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("%d MB of index: %.1f MB kept, %.1f MB allocated in passing", len(doc)>>20, float64(kept)/1e6,
		float64(after.TotalAlloc-before.TotalAlloc)/1e6)
	if kept > 8<<20 {
		t.Errorf("10,000 versions keep %d bytes", kept)
	}
	runtime.KeepAlive(doc)
}

func BenchmarkParseIndex(b *testing.B) {
	doc := large(10, 1000)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseIndex(bytes.NewReader(doc), 0); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzParseIndex(f *testing.F) {
	f.Add([]byte(usual))
	f.Add([]byte(`{"entries":{"a":[{"name":"a","version":"1.0.0","urls":["x"],"digest":"` + hex64 + `"},{"name":1}]}}`))
	f.Add([]byte("entries: {a: [{name: a, version: 1.0.0, urls: [x]}]}"))
	f.Add([]byte("entries: {a: [{name: a, version: '0', urls: [x]}, {name: a, version: 01.9.0, urls: [x]}]}"))
	f.Add([]byte("entries:\n  a: &x\n  - name: a\n  b: *x\n"))
	f.Add([]byte("entries:\n  a:\n  -\n    name: a\n   urls: |\n -\n"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		i, err := ParseIndex(bytes.NewReader(doc), 1<<20)
		if err != nil {
			if sources.Reason(err) == "" {
				t.Fatalf("an error without a reason: %v", err)
			}
			return
		}
		for _, chart := range i.Charts() {
			for _, e := range i.Versions(chart) {
				_, readable := sources.ParseEntry(e.Tag)
				if e.Name == "" || e.URL == "" || !readable || e.Digest != "" && !sources.IsDigest(e.Digest) {
					t.Fatalf("an unusable entry: %#v", e)
				}
			}
		}
	})
}
