package storage

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/release"

	"fairlead.dev/fairlead/helmops/plan"
)

// zippedRecord is what encode makes of bytes that are no release.
func zippedRecord(t *testing.T, content []byte) []byte {
	t.Helper()
	var zipped bytes.Buffer
	zip := gzip.NewWriter(&zipped)
	if _, err := zip.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return []byte(base64.StdEncoding.EncodeToString(zipped.Bytes()))
}

var sameRelease = []cmp.Option{cmpopts.IgnoreUnexported(chart.Chart{}), cmpopts.EquateEmpty()}

// full fills every field of a release, so that one that a later Helm adds is not forgotten.
func full(t *testing.T) *release.Release {
	t.Helper()
	return newRelease(3, release.StatusDeployed, func(r *release.Release) {
		r.Labels = nil // they are kept beside the record
		r.Chart.Lock = &chart.Lock{Digest: "d", Generated: now, Dependencies: []*chart.Dependency{{Name: "sub"}}}
		r.Hooks = []*release.Hook{hook("Job", "migrate", release.HookPreInstall)}
		r.Info.Notes = "<notes> & more"
	})
}

func hook(kind, name string, events ...release.HookEvent) *release.Hook {
	return &release.Hook{
		Name: name, Kind: kind, Path: "templates/hook.yaml", Events: events,
		Manifest: "apiVersion: batch/v1\nkind: " + kind + "\nmetadata:\n  name: " + name + "\n",
	}
}

func unpacked(t *testing.T, data []byte) []byte {
	t.Helper()
	zipped, err := base64.StdEncoding.DecodeString(string(data))
	must(t, err)
	zip, err := gzip.NewReader(bytes.NewReader(zipped))
	must(t, err)
	text, err := io.ReadAll(zip)
	must(t, err)
	return text
}

func TestARecordUnpacksToWhatHelmWrites(t *testing.T) {
	tests := []struct {
		name   string
		change func(*release.Release)
	}{
		{name: "a complete release", change: func(*release.Release) {}},
		{name: "no chart", change: func(r *release.Release) { r.Chart = nil }},
		{name: "an empty chart", change: func(r *release.Release) { r.Chart = &chart.Chart{} }},
		{name: "lists that are empty, not absent", change: func(r *release.Release) {
			r.Chart.Templates, r.Chart.Files, r.Chart.Schema = []*chart.File{}, []*chart.File{}, []byte{}
		}},
		{name: "templates that equal the files", change: func(r *release.Release) {
			r.Chart.Schema, r.Chart.Files = nil, r.Chart.Templates
		}},
		{name: "next to nothing", change: func(r *release.Release) { *r = release.Release{Info: r.Info} }},
	}
	encoder := newEncoder()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rel := full(t)
			tt.change(rel)
			want, err := json.Marshal(rel)
			must(t, err)
			for _, round := range []string{"compressed anew", "spliced"} {
				got, err := encoder.pack(rel, "", maxSecret)
				must(t, err)
				if text := unpacked(t, got.data); !bytes.Equal(text, want) || got.size != len(want) {
					t.Errorf("%s: size %d of %d, got\n%s\nwant\n%s", round, got.size, len(want), text, want)
				}
			}
		})
	}
}

func TestDecodeReturnsWhatWasEncoded(t *testing.T) {
	t.Parallel()
	want := full(t)
	data, err := newEncoder().pack(want, "", maxSecret)
	must(t, err)
	got, err := decode(data.data)
	must(t, err)
	if diff := cmp.Diff(want, got.release, sameRelease...); diff != "" {
		t.Errorf("release (-want +got):\n%s", diff)
	}
	again, err := newEncoder().pack(got.release, "", maxSecret)
	if err != nil || !bytes.Equal(data.data, again.data) {
		t.Errorf("encoding the same release again gives other bytes (error %v)", err)
	}
}

// Helm 4 reads and writes the method as the last field of a record.
func TestARecordNamesTheApplyMethod(t *testing.T) {
	for _, tt := range []struct {
		method plan.ApplyMethod
		end    string
	}{
		{plan.ServerSide, `"namespace":"apps","apply_method":"ssa"}`},
		{plan.ClientSide, `"namespace":"apps","apply_method":"csa"}`},
		{"", `"namespace":"apps"}`},
	} {
		t.Run(string(tt.method), func(t *testing.T) {
			t.Parallel()
			data, err := newEncoder().pack(full(t), tt.method, maxSecret)
			must(t, err)
			if text := string(unpacked(t, data.data)); !strings.HasSuffix(text, tt.end) {
				t.Errorf("the record ends with %s", text[max(0, len(text)-len(tt.end)):])
			}
			got, err := decode(data.data)
			must(t, err)
			if got.method != tt.method || data.method != tt.method || got.size != data.size {
				t.Errorf("read %q of %d bytes, packed %q of %d bytes", got.method, got.size, data.method, data.size)
			}
		})
	}
}

// noise does not compress.
func noise(size int) []byte {
	out := make([]byte, size)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(out)
	return out
}

func TestALargeRecordLosesFilesThenTemplates(t *testing.T) {
	tests := []struct {
		name             string
		files, templates int
		manifest         int
		want             []string
		tooLarge         bool
	}{
		{name: "what fits stays", files: 1000, templates: 1000},
		{name: "files go first", files: 100_000, templates: 1000, want: []string{"files"}},
		{name: "then templates", files: 100_000, templates: 100_000, want: []string{"files", "templates"}},
		{name: "templates go alone when there are no files", templates: 100_000, want: []string{"templates"}},
		{name: "the rest is too large", files: 1000, manifest: 100_000, tooLarge: true},
	}
	const limit = 50_000
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rel := full(t)
			rel.Chart.Files, rel.Chart.Templates = nil, nil
			if tt.files > 0 {
				rel.Chart.Files = []*chart.File{{Name: "f", Data: noise(tt.files)}}
			}
			if tt.templates > 0 {
				rel.Chart.Templates = []*chart.File{{Name: "t", Data: noise(tt.templates)}}
			}
			rel.Manifest = base64.StdEncoding.EncodeToString(noise(tt.manifest))
			got, err := newEncoder().pack(rel, "", limit)
			var tooLarge *TooLargeError
			if errors.As(err, &tooLarge) != tt.tooLarge {
				t.Fatalf("error = %v", err)
			}
			if tt.tooLarge {
				if tooLarge.Limit != limit || tooLarge.Size <= limit || !strings.Contains(err.Error(), "50000") {
					t.Errorf("error = %v", err)
				}
				return
			}
			must(t, err)
			found, err := decode(got.data)
			must(t, err)
			decoded := found.release
			if diff := cmp.Diff(tt.want, got.degraded); diff != "" || len(got.data) > limit || decoded.Manifest != rel.Manifest {
				t.Errorf("%d bytes, left out (-want +got):\n%s", len(got.data), diff)
			}
			if (len(decoded.Chart.Files) == 0) != (tt.files == 0 || slices.Contains(tt.want, "files")) {
				t.Errorf("the record has %d files", len(decoded.Chart.Files))
			}
			if len(rel.Chart.Files)+len(rel.Chart.Templates) == 0 {
				t.Error("the release itself was changed")
			}
		})
	}
}

func BenchmarkPack(b *testing.B) {
	rel := newRelease(1, release.StatusDeployed)
	rel.Manifest = strings.Repeat(string(noise(40))+"\nkind: Deployment\n", 100)
	rel.Chart.Templates = []*chart.File{{Name: "t", Data: []byte(base64.StdEncoding.EncodeToString(noise(100_000)))}}
	encoder := newEncoder()
	b.Run("spliced", func(b *testing.B) {
		for b.Loop() {
			if _, err := encoder.pack(rel, "", maxSecret); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("as Helm does", func(b *testing.B) {
		for b.Loop() {
			text, err := json.Marshal(rel)
			if err != nil {
				b.Fatal(err)
			}
			var zipped bytes.Buffer
			zip := newWriter(gzip.BestCompression)
			zip.Reset(&zipped)
			if _, err := zip.Write(text); err != nil || zip.Close() != nil {
				b.Fatal(err)
			}
			_ = base64.StdEncoding.EncodeToString(zipped.Bytes())
		}
	})
}

func TestDecodeReadsRecordsThatAreNotCompressed(t *testing.T) {
	t.Parallel()
	plain := []byte(`{"name":"web","version":2,"info":{"status":"deployed"}}`)
	found, err := decode([]byte(base64.StdEncoding.EncodeToString(plain)))
	if err != nil {
		t.Fatal(err)
	}
	if got := found.release; got.Name != "web" || got.Version != 2 || got.Info.Status != release.StatusDeployed {
		t.Errorf("got %+v", found.release)
	}
}

func TestDecodeRefusesWhatIsNoRelease(t *testing.T) {
	const secret = "hunter2"
	zipped := zippedRecord(t, []byte(`{"name":"`+secret+`","info":{}}`))
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{name: "nothing", data: nil, want: "not a Helm release"},
		{name: "text", data: []byte(secret + "!"), want: "not base64"},
		{name: "no JSON", data: zippedRecord(t, []byte(secret)), want: "not a Helm release"},
		{
			name: "JSON of another shape", data: zippedRecord(t, []byte(`{"name":"web","version":"`+secret+`","info":{}}`)),
			want: "not a Helm release",
		},
		{name: "a release without info", data: zippedRecord(t, []byte(`{"name":"`+secret+`"}`)), want: "has no info"},
		{
			name: "an empty hook", data: zippedRecord(t, []byte(`{"name":"`+secret+`","info":{},"hooks":[null]}`)),
			want: "empty hook",
		},
		{
			name: "an empty file", data: zippedRecord(t, []byte(`{"name":"`+secret+`","info":{},"chart":{"files":[null]}}`)),
			want: "empty chart file",
		},
		{name: "a null", data: zippedRecord(t, []byte("null")), want: "has no info"},
		{name: "a torn record", data: zipped[:len(zipped)/8*4], want: "unpacking release record"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := decode(tt.data)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error = %v, want %q", err, tt.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error quotes the record: %v", err)
			}
		})
	}
}

func TestDecodeBoundsWhatARecordUnpacksTo(t *testing.T) {
	t.Parallel()
	_, err := decode(zippedRecord(t, make([]byte, maxDecoded+1)))
	if err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("error = %v, want the size limit", err)
	}
}

func FuzzDecode(f *testing.F) {
	valid, err := newEncoder().pack(newRelease(1, release.StatusDeployed), "", maxSecret)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(valid.data)
	f.Add([]byte("H4sI"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, err := decode(data); err == nil && got.release.Info == nil {
			t.Error("a release without info was accepted")
		}
	})
}
