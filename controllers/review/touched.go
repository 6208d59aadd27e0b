package review

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
)

// fingerprint identifies all that the tree says of a release: its spec, what it takes values from, its source, and its
// chart when that is in this repository. It changes when the change touches the release. Nothing is fetched for it.
func (d *declared) fingerprint() (string, error) {
	f := &fingerprint{side: d.side}
	f.add(d.Namespace, d.Name, d.Spec)
	for _, ref := range d.Spec.ValuesFrom {
		if ref.IsSource() {
			choice := catalog.ChoiceOfValues(d.HelmRelease, ref)
			f.source(choice)
			f.files(choice, fixedPart(ref.Path))
			continue
		}

		key := types.NamespacedName{Namespace: d.Namespace, Name: ref.Name}
		if found, ok := d.side.find(kindToRead(newDocument(ref.Kind)), key); ok {
			f.add(key, contentOf(found))
		}
	}

	f.chart(catalog.ChoiceOfRelease(d.HelmRelease))
	sum := sha256.Sum256([]byte(f.text.String()))
	return hex.EncodeToString(sum[:]), f.err
}

// fingerprint collects what identifies a release.
type fingerprint struct {
	side *side
	text strings.Builder
	err  error
}

func (f *fingerprint) add(values ...any) {
	for _, value := range values {
		text, err := json.Marshal(value)
		if err != nil {
			f.err = err
		}
		f.text.Write(text)
		f.text.WriteByte('\n')
	}
}

// source adds the spec of the source of a choice; nothing when it is not in the tree.
func (f *fingerprint) source(choice catalog.ChartRef) {
	key := types.NamespacedName{Namespace: choice.Namespace, Name: choice.Name}
	if found, ok := f.side.find(kindOf(choice.Kind), key); ok {
		f.add(choice.Kind, key, found.Object.Object["spec"])
	}
}

// chart adds the source of a chart, and the chart itself when it is in this repository.
func (f *fingerprint) chart(choice catalog.ChartRef) {
	f.source(choice)
	if choice.Kind == v1beta1.HelmChartKind {
		key := types.NamespacedName{Namespace: choice.Namespace, Name: choice.Name}
		found, ok := f.side.find(kindOf(choice.Kind), key)
		if !ok {
			return
		}

		chart := &v1beta1.HelmChart{}
		if err := decode(found.Unstructured, key, chart); err != nil {
			f.err = err
			return
		}

		choice = catalog.ChoiceOfChart(chart)
		f.source(choice)
	}

	f.files(choice, choice.Chart)
	for _, name := range choice.Values().Names {
		f.files(choice, name)
	}
}

// files adds what this repository has at a path, when the choice is of it.
func (f *fingerprint) files(choice catalog.ChartRef, name string) {
	if choice.Kind != v1beta1.GitRepositoryKind || !f.side.isOwn(choice) {
		return
	}

	digest, err := f.side.tree.Digest(name)
	if err != nil {
		f.err = err
	}

	f.add(name, digest)
}

// isOwn reports whether a choice is of a GitRepository that is this repository.
func (s *side) isOwn(choice catalog.ChartRef) bool {
	key := types.NamespacedName{Namespace: choice.Namespace, Name: choice.Name}
	for _, named := range s.Sources {
		if named == key {
			return true
		}
	}

	found, ok := s.find(kindOf(v1beta1.GitRepositoryKind), key)
	if !ok {
		return false
	}

	repository := &v1beta1.GitRepository{}
	return decode(found.Unstructured, key, repository) == nil && s.isThis(repository)
}

// fixedPart is the part of a pattern before the first wildcard, up to a slash.
func fixedPart(pattern string) string {
	at := strings.IndexAny(pattern, `*?[{\`)
	if at < 0 {
		return pattern
	}
	return pattern[:strings.LastIndexByte(pattern[:at], '/')+1]
}
