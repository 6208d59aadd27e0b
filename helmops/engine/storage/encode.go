package storage

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/release"
	corev1 "k8s.io/api/core/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

const (
	// maxSecret is what the API server lets the data of a Secret be.
	maxSecret = corev1.MaxSecretSize
	// membersBytes bounds the compressed charts that are kept.
	membersBytes = 16 << 20
	// smallest is how many bytes of a chart are worth a member of their own.
	smallest = 512

	// degradedFiles and degradedTemplates name what a record that would be too large leaves out.
	degradedFiles     = "files"
	degradedTemplates = "templates"
)

// TooLargeError says that a release does not fit into a Secret, even without the files and templates of its chart.
type TooLargeError struct {
	// Size of the smallest record that is possible, and Limit, in bytes.
	Size, Limit int
}

// Error implements error.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the release record needs %d bytes and a Secret holds at most %d, even without the chart's files "+
		"and templates; "+
		"make the rendered manifests or the values smaller, for example by splitting the release", e.Size, e.Limit)
}

// Reason is the reason for conditions.
func (e *TooLargeError) Reason() string { return v1beta1.StorageErrorReason }

// packed is an encoded release.
type packed struct {
	data []byte
	// size is what it unpacks to.
	size int
	// degraded names the parts that were left out to make it fit.
	degraded []string
	// method is how the objects of the release are written, as the record has it.
	method plan.ApplyMethod
}

// encoder packs releases the way Helm 3 does: JSON, gzip, base64. The parts of a release that are the same for every
// release of a chart are compressed once: gzip members may be concatenated, and Helm reads such a record like any
// other.
type encoder struct {
	members *lru[memberKey, member]
}

// memberKey is the digest of what a member holds. It is not the chart's digest: that one can come from an annotation,
// which every client that may write the record can forge to get at the chart of another tenant.
type memberKey [sha256.Size]byte

type member struct {
	zipped []byte
	size   int
}

func newEncoder() *encoder {
	return &encoder{members: newLRU[memberKey, member](membersBytes)}
}

// pack encodes a release so that it is at most limit bytes long, without files, then without templates if it has to. An
// empty method is left out.
func (e *encoder) pack(rel *release.Release, method plan.ApplyMethod, limit int) (packed, error) {
	if rel.Info == nil {
		return packed{}, errors.New("the release has no info")
	}

	var degraded []string
	out, err := e.encode(rel, method)
	if err != nil || len(out.data) <= limit || rel.Chart == nil {
		return bounded(out, limit, err)
	}

	smaller := *rel
	reduced := copyOfChart(rel.Chart)
	smaller.Chart = reduced
	for _, part := range []struct {
		name  string
		files *[]*chart.File
	}{{degradedFiles, &reduced.Files}, {degradedTemplates, &reduced.Templates}} {
		if len(*part.files) == 0 {
			continue
		}

		*part.files = nil
		degraded = append(degraded, part.name)
		if out, err = e.encode(&smaller, method); err != nil || len(out.data) <= limit {
			break
		}
	}

	out.degraded = degraded
	return bounded(out, limit, err)
}

func bounded(out packed, limit int, err error) (packed, error) {
	if err == nil && len(out.data) > limit {
		err = &TooLargeError{Size: len(out.data), Limit: limit}
	}
	return out, err
}

// The fields of Helm's types, in their order, around the two lists of files that are compressed apart.
type (
	releaseHead struct {
		Name string        `json:"name,omitempty"`
		Info *release.Info `json:"info,omitempty"`
	}
	chartHead struct {
		Metadata *chart.Metadata `json:"metadata"`
		Lock     *chart.Lock     `json:"lock"`
	}
	chartFiles struct {
		Schema []byte        `json:"schema"`
		Files  []*chart.File `json:"files"`
	}
	releaseTail struct {
		Config    map[string]any  `json:"config,omitempty"`
		Manifest  string          `json:"manifest,omitempty"`
		Hooks     []*release.Hook `json:"hooks,omitempty"`
		Version   int             `json:"version,omitempty"`
		Namespace string          `json:"namespace,omitempty"`
		// ApplyMethod is a field of Helm 4. Helm 3 ignores it, and drops it when it writes the record again.
		ApplyMethod plan.ApplyMethod `json:"apply_method,omitempty"`
	}
)

func (e *encoder) encode(rel *release.Release, method plan.ApplyMethod) (packed, error) {
	w := &recordWriter{}
	w.fields("{", releaseHead{Name: rel.Name, Info: rel.Info})
	if c := rel.Chart; c != nil {
		w.plain.WriteString(`,"chart":`)
		w.fields("{", chartHead{Metadata: c.Metadata, Lock: c.Lock})
		w.plain.WriteString(`,"templates":`)
		w.member(e, templatesMember, nil, c.Templates)
		w.plain.WriteString(`,"values":`)
		w.value(c.Values)
		w.plain.WriteByte(',')
		w.member(e, filesMember, c.Schema, c.Files)
		w.plain.WriteByte('}')
	}

	w.fields(",", releaseTail{
		Config: rel.Config, Manifest: rel.Manifest, Hooks: rel.Hooks, Version: rel.Version, Namespace: rel.Namespace,
		ApplyMethod: method,
	})
	w.plain.WriteByte('}')
	w.flush()
	if w.err != nil {
		return packed{}, fmt.Errorf("packing the release: %w", w.err)
	}

	data := make([]byte, base64.StdEncoding.EncodedLen(w.zipped.Len()))
	base64.StdEncoding.Encode(data, w.zipped.Bytes())
	return packed{data: data, size: w.size, method: method}, nil
}

// recordWriter assembles a record of gzip members. The first error stays.
type recordWriter struct {
	plain  bytes.Buffer // not compressed yet
	zipped bytes.Buffer
	size   int
	err    error
}

func (w *recordWriter) value(v any) {
	text, err := json.Marshal(v)
	w.err = errors.Join(w.err, err)
	w.plain.Write(text)
}

// fields writes the fields of an object after start, and neither brace.
func (w *recordWriter) fields(start string, object any) {
	text, err := json.Marshal(object)
	w.err = errors.Join(w.err, err)
	if len(text) > len("{}") {
		w.plain.WriteString(start)
		w.plain.Write(text[1 : len(text)-1])
	}
}

// The two parts of a record that depend on the chart alone.
const (
	templatesMember byte = iota
	filesMember
)

// member writes a part that is worth it as a member that is compressed once.
func (w *recordWriter) member(e *encoder, kind byte, schema []byte, files []*chart.File) {
	key, size := keyOfMember(kind, schema, files)
	if size >= smallest {
		if known, found := e.members.get(key); found {
			w.splice(known)
			return
		}
	}

	text, err := textOfMember(kind, schema, files)
	w.err = errors.Join(w.err, err)
	if size < smallest {
		w.plain.Write(text)
		return
	}

	var zipped bytes.Buffer
	w.err = errors.Join(w.err, compress(&zipped, text, &thorough))
	made := member{zipped: bytes.Clone(zipped.Bytes()), size: len(text)}
	e.members.put(key, made, len(made.zipped))
	w.splice(made)
}

func textOfMember(kind byte, schema []byte, files []*chart.File) ([]byte, error) {
	if kind == templatesMember {
		return json.Marshal(files)
	}
	text, err := json.Marshal(chartFiles{Schema: schema, Files: files})
	return bytes.TrimSuffix(bytes.TrimPrefix(text, []byte("{")), []byte("}")), err
}

func (w *recordWriter) splice(m member) {
	w.flush()
	w.zipped.Write(m.zipped)
	w.size += m.size
}

func (w *recordWriter) flush() {
	if w.plain.Len() == 0 {
		return
	}
	w.size += w.plain.Len()
	w.err = errors.Join(w.err, compress(&w.zipped, w.plain.Bytes(), &quick))
	w.plain.Reset()
}

// keyOfMember also returns how many bytes there are.
func keyOfMember(kind byte, schema []byte, files []*chart.File) (memberKey, int) {
	hash := sha256.New()
	// An absent list and an empty one differ in JSON.
	hash.Write([]byte{kind, boolByte(schema == nil), boolByte(files == nil)})
	size := 0
	var length [8]byte
	part := func(data []byte) {
		size += len(data)
		binary.BigEndian.PutUint64(length[:], uint64(len(data)))
		hash.Write(length[:])
		hash.Write(data)
	}
	part(schema)
	for _, file := range files {
		part([]byte(file.Name))
		part(file.Data)
	}

	return memberKey(hash.Sum(nil)), size
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// What is compressed for every record is compressed quickly; what is compressed once, well. Writers are kept because
// each allocates most of a megabyte.
var (
	quick    = sync.Pool{New: func() any { return newWriter(gzip.DefaultCompression) }}
	thorough = sync.Pool{New: func() any { return newWriter(gzip.BestCompression) }}
)

func newWriter(level int) *gzip.Writer {
	w, err := gzip.NewWriterLevel(io.Discard, level)
	if err != nil {
		return gzip.NewWriter(io.Discard)
	}
	return w
}

func compress(to io.Writer, text []byte, pool *sync.Pool) error {
	zip := pool.Get().(*gzip.Writer)
	defer pool.Put(zip)
	zip.Reset(to)
	_, err := zip.Write(text)
	return errors.Join(err, zip.Close())
}
