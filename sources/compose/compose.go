package compose

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/archive"
)

// Limits bound what is read and written; zero fields have defaults.
type Limits struct {
	// Bytes are what the files of an artifact may have together, those that later operations replace included.
	Bytes int64
	// Files are how many files an artifact may have.
	Files int
	// Unpacked are the bytes that the archive of one source may unpack to, Entries how many entries it may have, and
	// Together how many those of all sources.
	Unpacked int64
	Entries  int
	Together int
}

// The default limits. Sources have as much as a Git repository may have.
const (
	DefaultBytes    = 100 << 20
	DefaultFiles    = 20_000
	DefaultUnpacked = 256 << 20
	DefaultEntries  = 50_000
	DefaultTogether = 100_000
)

func (l Limits) withDefaults() Limits {
	if l.Bytes <= 0 {
		l.Bytes = DefaultBytes
	}
	if l.Files <= 0 {
		l.Files = DefaultFiles
	}
	if l.Unpacked <= 0 {
		l.Unpacked = DefaultUnpacked
	}
	if l.Entries <= 0 {
		l.Entries = DefaultEntries
	}
	if l.Together <= 0 {
		l.Together = DefaultTogether
	}

	return l
}

// budget is for reading one archive.
func (l Limits) budget() *archive.Budget {
	return &archive.Budget{
		Bytes:    archive.Room(l.Unpacked, l.Entries),
		TooLarge: fmt.Errorf("it has more than %d bytes when it is unpacked", l.Unpacked),
		Entries:  l.Entries,
		TooMany:  fmt.Errorf("it has more than %d entries", l.Entries),
	}
}

// Source opens the archive of a source, which is read twice.
type Source func() (io.ReadCloser, error)

// Scratch is where the content of files is kept while an archive is made: a file that is removed afterwards.
type Scratch interface {
	io.Writer
	io.ReaderAt
}

// Made is what Compose made.
type Made struct {
	// Files is how many files the archive has.
	Files int
	// Chart is the directory of the chart that the archive holds: "." for its root, or its only directory; empty for
	// none.
	Chart string
}

// Compose makes the archive of an artifact of the archives of its sources, by their aliases, and writes it to w.
// Symbolic links are replaced by what they lead to. Equal sources and operations give equal bytes.
//
// Errors are a sources.Error. With the reason InvalidReference it is stalled: only other operations help. NotFound is
// for an operation that no file is there for, and InvalidContent for archives and YAML that are broken or too large.
// One archive is open at a time; the errors of opening it are returned as they are.
func Compose(
	ctx context.Context, artifact v1beta1.OutputArtifact, from map[string]Source, scratch Scratch, w io.Writer, l Limits,
) (Made, error) {
	l = l.withDefaults()
	operations, err := parseAll(artifact)
	if err != nil {
		return Made{}, err
	}

	c := &composition{
		ctx: ctx, limits: l, trees: map[string]*tree{}, scratch: &spool{scratch: scratch, left: l.Bytes},
		stage: newStage(l.Files), unpacking: l.budget(),
	}
	if err := c.list(operations, from); err != nil {
		return Made{}, err
	}

	picks, err := c.choose(operations)
	if err != nil {
		return Made{}, err
	}
	if err := c.load(operations, picks); err != nil {
		return Made{}, err
	}

	for i, o := range operations {
		if err := c.apply(o, picks[i]); err != nil {
			return Made{}, err
		}
	}

	return c.write(w)
}

// Check reports what is wrong with the operations of an artifact by themselves, as Compose does.
func Check(artifact v1beta1.OutputArtifact) error {
	_, err := parseAll(artifact)
	return err
}

func parseAll(artifact v1beta1.OutputArtifact) ([]operation, error) {
	operations := make([]operation, 0, len(artifact.Copy))
	for _, o := range artifact.Copy {
		parsed, err := parse(o)
		if err != nil {
			return nil, err
		}

		operations = append(operations, parsed)
	}
	return operations, nil
}

// composition is one archive on its way.
type composition struct {
	ctx     context.Context //nolint:containedctx // it lives for one Compose
	limits  Limits
	trees   map[string]*tree
	scratch *spool
	stage   *stage
	// unpacking bounds all archives in files of the sources together.
	unpacking *archive.Budget
	// content is where the content of the files of sources is, by alias and path.
	content map[string]map[string]content
}

// list reads what the sources of the operations hold.
func (c *composition) list(operations []operation, from map[string]Source) error {
	left := c.limits.Together
	for _, o := range operations {
		if c.trees[o.alias] != nil {
			continue
		}

		source, known := from[o.alias]
		if !known {
			return sources.Stall(v1beta1.InvalidReferenceReason, nil,
				"copying from %q to %q: spec.sources has no source with the alias %s", o.From, o.To, o.alias)
		}

		read, err := readTree(o.alias, source, c.limits)
		if err != nil {
			return err
		}
		if err := c.ctx.Err(); err != nil {
			return err
		}
		if left -= len(read.files) + len(read.broken); left < 0 {
			return sources.Fail(v1beta1.InvalidContentReason, nil,
				"the sources of the artifact have more than the %d files together that are allowed", c.limits.Together)
		}

		c.trees[o.alias] = read
	}
	return nil
}

// choose finds the files that each operation copies.
func (c *composition) choose(operations []operation) ([][]pick, error) {
	picks := make([][]pick, len(operations))
	for i, o := range operations {
		found, err := c.trees[o.alias].pick(c.ctx, o)
		if err != nil {
			return nil, err
		}

		picks[i] = found
	}
	return picks, nil
}

// load keeps the content of the files that are copied, each once.
func (c *composition) load(operations []operation, picks [][]pick) error {
	c.content = map[string]map[string]content{}
	for i, o := range operations {
		if c.content[o.alias] == nil {
			c.content[o.alias] = map[string]content{}
		}
		for _, p := range picks[i] {
			c.content[o.alias][p.file] = content{}
		}
	}

	for alias, wanted := range c.content {
		if err := c.loadTree(c.trees[alias], wanted); err != nil {
			return err
		}
	}

	return nil
}

func (c *composition) loadTree(t *tree, wanted map[string]content) error {
	return t.walk(func(h *tar.Header, name string, r io.Reader) error {
		if _, is := wanted[name]; !is || h.Typeflag != tar.TypeReg {
			return c.ctx.Err()
		}

		kept, err := c.scratch.keep(r, h.Mode&0o100 != 0)
		wanted[name] = kept
		return err
	})
}

// apply carries out one operation.
func (c *composition) apply(o operation, picks []pick) error {
	for _, p := range picks {
		if err := c.ctx.Err(); err != nil {
			return err
		}

		from := c.content[o.alias][p.file]
		err := c.applyFile(o, p, from)
		if known := (*sources.Error)(nil); err != nil && !errors.As(err, &known) {
			err = sources.Fail(v1beta1.InvalidContentReason, err, "copying %s of the source @%s to %q", p.name, o.alias, o.To)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *composition) applyFile(o operation, p pick, from content) error {
	if o.Strategy == v1beta1.CopyExtract {
		return c.extract(o, p, from)
	}

	to := c.destination(o, p)
	had, exists := c.stage.files[to]
	if o.Strategy != v1beta1.CopyMerge || !exists {
		return c.stage.put(to, from)
	}

	merged, err := c.scratch.merge(had, from)
	if err != nil {
		return err
	}

	return c.stage.put(to, merged)
}

// destination is the path of a file in the artifact. A single file gets the path of the operation, unless that is a
// directory, which it then gets into.
func (c *composition) destination(o operation, p pick) string {
	switch {
	case p.rel != "":
		return path.Join(o.to, p.rel)
	case o.toDir || o.to == "." || c.stage.dirs[o.to]:
		return path.Join(o.to, path.Base(p.name))
	default:
		return o.to
	}
}

// extract copies the files of a tar.gz. Its links are left out.
func (c *composition) extract(o operation, p pick, from content) error {
	if !isTarball(p.name) {
		return sources.Stall(v1beta1.InvalidReferenceReason, nil,
			"copying from %q to %q: the strategy Extract is for files named .tar.gz or .tgz", o.From, o.To)
	}

	bad := func(err error) error { return fmt.Errorf("unpacking it: %w", err) }
	return walk(c.scratch.open(from), c.unpacking, func(h *tar.Header, name string, r io.Reader) error {
		if h.Typeflag != tar.TypeReg || name == "." {
			return c.ctx.Err()
		}

		kept, err := c.scratch.keep(r, h.Mode&0o100 != 0)
		if err != nil {
			return err
		}

		return c.stage.put(path.Join(o.to, name), kept)
	}, bad)
}

// write writes the archive, sorted and without times.
func (c *composition) write(w io.Writer) (Made, error) {
	if len(c.stage.files) == 0 {
		return Made{}, sources.Fail(v1beta1.NotFoundReason, nil, "the operations copy no file")
	}

	packed := gzip.NewWriter(w)
	out := tar.NewWriter(packed)
	for _, name := range slices.Sorted(maps.Keys(c.stage.files)) {
		file := c.stage.files[name]
		header := &tar.Header{Name: name, Mode: 0o644, Typeflag: tar.TypeReg, Size: file.size}
		if file.exec {
			header.Mode = 0o755
		}
		if err := out.WriteHeader(header); err != nil {
			return Made{}, fmt.Errorf("writing an archive: %w", err)
		}
		if _, err := io.Copy(out, c.scratch.open(file)); err != nil {
			return Made{}, fmt.Errorf("writing an archive: %w", err)
		}
		if err := c.ctx.Err(); err != nil {
			return Made{}, err
		}
	}

	if err := errors.Join(out.Close(), packed.Close()); err != nil {
		return Made{}, fmt.Errorf("writing an archive: %w", err)
	}

	return Made{Files: len(c.stage.files), Chart: c.stage.chart()}, nil
}

// stage is what the archive will hold.
type stage struct {
	files map[string]content
	dirs  map[string]bool
	most  int
}

func newStage(most int) *stage {
	return &stage{files: map[string]content{}, dirs: map[string]bool{".": true}, most: most}
}

// put places a file, in place of one that is there.
func (s *stage) put(name string, file content) error {
	if s.dirs[name] {
		return fmt.Errorf("the artifact has a directory %.200q, which a file cannot replace", name)
	}

	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if _, is := s.files[dir]; is {
			return fmt.Errorf("the artifact has a file %.200q, which cannot be a directory, too", dir)
		}
		s.dirs[dir] = true
	}

	s.files[name] = file
	if len(s.files) > s.most {
		return fmt.Errorf("the artifact has more than the %d files that are allowed", s.most)
	}

	return nil
}

// chart is the directory that a chart is in: the root, or the only one that there is.
func (s *stage) chart() string {
	const file = "Chart.yaml"
	if _, is := s.files[file]; is {
		return "."
	}

	only := ""
	for name := range s.files {
		top, _, nested := strings.Cut(name, "/")
		if !nested || only != "" && only != top {
			return ""
		}
		only = top
	}
	if _, is := s.files[path.Join(only, file)]; !is {
		return ""
	}

	return only
}
