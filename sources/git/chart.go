package git

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/archive"
	"fairlead.dev/fairlead/sources/chartvalues"
)

const (
	chartFile = "Chart.yaml"
	// maxChartBytes is what Helm accepts when it loads a chart.
	maxChartBytes = 100 << 20
)

// Chart is a chart directory that has been packed.
type Chart struct {
	// ChartRevision's Digest is that of the directory's content: names, executable bits and bytes of its files.
	v1beta1.ChartRevision
	// KubeVersion is the range of clusters the chart is made for, "" for all.
	KubeVersion string
	// AppVersion is the version of what the chart installs, for people.
	AppVersion string
}

// PackChart packs the chart directory path of a work tree's archive, as Fetch writes it, into a chart archive and
// writes that to w; equal directories give equal bytes. The digest of the chart covers its own files alone, so it does
// not change with the rest of the repository. .helmignore is honoured, and symbolic links are replaced by what they
// point at. An archive that is an io.Seeker, as the store's are, is not read into memory. Dependencies have to be in
// the directory's charts; none is fetched.
//
// Errors are a sources.Error with reason InvalidReference, stalled, for a path that is absolute or leads out of the
// repository, NotFound for a directory that is not there or holds no Chart.yaml, naming some that do, or InvalidContent
// for an archive or a chart that is broken or too large.
func PackChart(archive io.Reader, path string, w io.Writer, l Limits) (Chart, error) {
	return PackChartWith(archive, path, chartvalues.Files{}, w, l)
}

// PackChartWith is PackChart with the merged values of files of the work tree instead of the chart's values.yaml,
// unless none is named.
func PackChartWith(archive io.Reader, path string, values chartvalues.Files, w io.Writer, l Limits) (Chart, error) {
	values, err := values.Check()
	if err != nil {
		return Chart{}, err
	}

	dir, err := cleanPath(path)
	if err != nil {
		return Chart{}, err
	}

	a, err := openArchive(archive, l.withDefaults())
	if err != nil {
		return Chart{}, err
	}

	p := &packing{archive: a, asked: dir, files: map[string]string{}}
	if err := p.find(); err != nil {
		return Chart{}, err
	}
	if err := p.load(); err != nil {
		return Chart{}, err
	}

	if len(values.Names) > 0 {
		if err := p.replaceValues(values); err != nil {
			return Chart{}, err
		}
	}

	return p.write(w)
}

func cleanPath(p string) (string, error) {
	clean := path.Clean(p)
	if p == "" {
		clean = "."
	}
	if path.IsAbs(clean) || clean == ".." || strings.HasPrefix(clean, "../") || strings.ContainsAny(clean, "\x00\\") {
		return "", sources.Stall(v1beta1.InvalidReferenceReason, nil,
			"the path %.200q must be relative and inside of the repository", p)
	}
	return strings.TrimPrefix(clean, "."), nil
}

// packing is one chart on its way into an archive.
type packing struct {
	archive *treeArchive
	asked   string
	dir     string            // asked, with links followed
	files   map[string]string // by name in the chart: the path in the work tree
	content map[string][]byte // by path in the work tree
	steps   int               // files and links seen so far
}

func (p *packing) bad(format string, args ...any) error {
	return sources.Fail(v1beta1.InvalidContentReason, nil, "packing the chart %q: %s", p.shown(),
		fmt.Sprintf(format, args...))
}

func (p *packing) shown() string {
	if p.asked == "" {
		return "."
	}
	return p.asked
}

// find lists the chart's files.
func (p *packing) find() error {
	dir, err := p.archive.layout.follow(p.asked)
	if err != nil {
		return p.bad("%s", err)
	}

	p.dir = dir
	if err := p.add(dir, "", 0); err != nil {
		return err
	}
	if _, ok := p.files[chartFile]; !ok {
		return p.notFound()
	}

	for _, left := range p.archive.left {
		if dir == "" || strings.HasPrefix(left, dir+"/") {
			return p.bad("the symbolic link %s leads out of the repository", left)
		}
	}

	return nil
}

// add lists a directory of the work tree under a name in the chart.
func (p *packing) add(dir, prefix string, depth int) error {
	if depth > archive.MaxHops {
		return p.bad("its symbolic links lead back to themselves")
	}

	for _, real := range p.archive.layout.below(dir) {
		// Links to directories of links multiply without ever adding a file.
		if p.steps++; p.steps > p.archive.limits.Files {
			return p.bad("it has more than the %d files that are allowed", p.archive.limits.Files)
		}

		name := prefix + strings.TrimPrefix(strings.TrimPrefix(real, dir), "/")
		if _, isLink := p.archive.layout.links[real]; !isLink {
			p.files[name] = real
		} else if err := p.addLink(real, name, depth); err != nil {
			return err
		}
	}

	return nil
}

func (p *packing) addLink(link, name string, depth int) error {
	target, err := p.archive.layout.follow(link)
	if err != nil {
		return p.bad("the symbolic link %.200q: %s", link, err)
	}

	if p.archive.layout.isFile(target) {
		p.files[name] = target
		return nil
	}

	if len(p.archive.layout.below(target)) == 0 {
		return p.bad("the symbolic link %.200q leads to nothing", link)
	}

	return p.add(target, name+"/", depth+1)
}

// notFound says what is missing, and where charts are.
func (p *packing) notFound() error {
	const shown = 5
	missing := "the repository has no directory " + fmt.Sprintf("%.200q", p.shown())
	if len(p.files) > 0 {
		missing = fmt.Sprintf("the directory %.200q has no %s", p.shown(), chartFile)
	}

	charts := p.archive.layout.charts()
	switch {
	case len(charts) == 0:
		missing += "; no directory has one"
	case len(charts) > shown:
		missing += fmt.Sprintf("; %d directories have one, among them %s", len(charts), strings.Join(charts[:shown], ", "))
	default:
		missing += "; charts are in " + strings.Join(charts, ", ")
	}

	return sources.Fail(v1beta1.NotFoundReason, nil, "%s", missing)
}

// load reads the files and drops those that .helmignore names.
func (p *packing) load() error {
	rules, err := p.rules()
	if err != nil {
		return err
	}

	wanted := map[string]bool{}
	for name, real := range p.files {
		if rules.ignores(name) {
			delete(p.files, name)
			continue
		}
		wanted[real] = true
	}

	if p.content, err = p.archive.read(wanted, maxChartBytes); err != nil {
		return err
	}

	total := 0
	for _, real := range p.files {
		// A link stands for its target's bytes once more.
		if total += len(p.content[real]); total > maxChartBytes {
			return errTooLarge
		}
	}

	return nil
}

// mergedValues stands for the file that the merged values come from; no path has a NUL.
const mergedValues = "\x00values"

// replaceValues puts the merged values of files of the work tree in the place of values.yaml.
func (p *packing) replaceValues(values chartvalues.Files) error {
	wanted := map[string]bool{}
	real := map[string]string{}
	for _, name := range values.Names {
		at, err := p.archive.layout.follow(name)
		if err != nil {
			return p.bad("the values file %.200q: %s", name, err)
		}

		real[name] = at
		wanted[at] = true
	}

	found, err := p.archive.read(wanted, maxChartBytes)
	if err != nil {
		return err
	}

	content := map[string][]byte{}
	for name, at := range real {
		if raw, there := found[at]; there {
			content[name] = raw
		}
	}

	merged, err := values.Merge(content)
	if err != nil {
		return fmt.Errorf("packing the chart %q: %w", p.shown(), err)
	}

	p.files[chartvalues.ValuesFile] = mergedValues
	p.content[mergedValues] = merged
	return nil
}

// valuesDigest is that of the merged values files, empty without any.
func (p *packing) valuesDigest() string {
	merged, is := p.content[mergedValues]
	if !is {
		return ""
	}
	sum := sha256.Sum256(merged)
	return sources.DigestPrefix + hex.EncodeToString(sum[:])
}

func (p *packing) rules() (ignoreRules, error) {
	text := ""
	if real, ok := p.files[ignoreFile]; ok {
		content, err := p.archive.read(map[string]bool{real: true}, maxChartBytes)
		if err != nil {
			return nil, err
		}

		text = string(content[real])
	}

	rules, err := parseIgnore(text)
	if err != nil {
		return nil, p.bad("its %s: %s", ignoreFile, err)
	}

	return rules, nil
}

// write writes the archive and returns what the chart is.
func (p *packing) write(w io.Writer) (Chart, error) {
	meta, err := p.metadata()
	if err != nil {
		return Chart{}, err
	}

	zip := gzip.NewWriter(w)
	out := tar.NewWriter(zip)
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		real := p.files[name]
		content := p.content[real]
		header := &tar.Header{Name: meta.Name + "/" + name, Mode: 0o644, Typeflag: tar.TypeReg, Size: int64(len(content))}
		if p.archive.exec[real] {
			header.Mode = 0o755
		}

		fmt.Fprintf(sum, "%q %o %d\n", name, header.Mode, len(content))
		sum.Write(content)
		if err := out.WriteHeader(header); err != nil {
			return Chart{}, err
		}
		if _, err := out.Write(content); err != nil {
			return Chart{}, err
		}
	}

	if err := out.Close(); err != nil {
		return Chart{}, err
	}
	if err := zip.Close(); err != nil {
		return Chart{}, err
	}

	digest := sources.DigestPrefix + hex.EncodeToString(sum.Sum(nil))
	return Chart{
		ChartRevision: v1beta1.ChartRevision{
			Name: meta.Name, Version: meta.Version, Digest: digest, ValuesDigest: p.valuesDigest(),
		},
		KubeVersion: meta.KubeVersion,
		AppVersion:  meta.AppVersion,
	}, nil
}

// metadata reads Chart.yaml with Helm's own rules.
func (p *packing) metadata() (*chart.Metadata, error) {
	raw, ok := p.content[p.files[chartFile]]
	if !ok {
		return nil, p.bad("its %s names %s", ignoreFile, chartFile)
	}

	meta := &chart.Metadata{}
	if err := yaml.Unmarshal(raw, meta); err != nil {
		return nil, p.bad("%s cannot be read: %.300s", chartFile, err)
	}
	if meta.APIVersion == "" {
		meta.APIVersion = chart.APIVersionV1 // as Helm takes charts that are older than the field
	}
	if err := meta.Validate(); err != nil {
		return nil, p.bad("%s: %.300s", chartFile, err)
	}

	return meta, nil
}
