package records

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/release"
)

// packed is what encode makes of bytes that are no release.
func packed(t *testing.T, content []byte) []byte {
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

func TestDecodeReturnsWhatWasEncoded(t *testing.T) {
	t.Parallel()
	want := newRelease(3, release.StatusDeployed)
	want.Labels = nil // they are kept beside the record
	data, err := encode(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, sameRelease...); diff != "" {
		t.Errorf("release (-want +got):\n%s", diff)
	}
	again, err := encode(got)
	if err != nil || !bytes.Equal(data, again) {
		t.Errorf("encoding the same release again gives other bytes (error %v)", err)
	}
}

func TestDecodeReadsRecordsThatAreNotCompressed(t *testing.T) {
	t.Parallel()
	got, err := decode([]byte(base64.StdEncoding.EncodeToString([]byte(`{"name":"web","version":2,"info":{"status":"deployed"}}`))))
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != "web" || got.Version != 2 || got.Info.Status != release.StatusDeployed {
		t.Errorf("got %+v", got)
	}
}

func TestDecodeRefusesWhatIsNoRelease(t *testing.T) {
	const secret = "hunter2"
	zipped := packed(t, []byte(`{"name":"`+secret+`","info":{}}`))
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{name: "nothing", data: nil, want: "not a Helm release"},
		{name: "text", data: []byte(secret + "!"), want: "not base64"},
		{name: "no JSON", data: packed(t, []byte(secret)), want: "not a Helm release"},
		{name: "JSON of another shape", data: packed(t, []byte(`{"name":"web","version":"`+secret+`","info":{}}`)), want: "not a Helm release"},
		{name: "a release without info", data: packed(t, []byte(`{"name":"`+secret+`"}`)), want: "has no info"},
		{name: "a null", data: packed(t, []byte("null")), want: "has no info"},
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
	_, err := decode(packed(t, make([]byte, maxDecoded+1)))
	if err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("error = %v, want the size limit", err)
	}
}

func FuzzDecode(f *testing.F) {
	valid, err := encode(newRelease(1, release.StatusDeployed))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(valid)
	f.Add([]byte("H4sI"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if rel, err := decode(data); err == nil && rel.Info == nil {
			t.Error("a release without info was accepted")
		}
	})
}
