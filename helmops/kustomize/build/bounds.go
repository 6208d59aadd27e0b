package build

import (
	"bytes"
	"fmt"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Bounds of one build. They are reckoned before the library sees the files, because it cannot be stopped once it has
// begun. What they do not foresee is bounded by the process that builds.
const (
	// maxObjects is how many objects a Kustomization may have.
	maxObjects = 10_000
	// maxBuilds is how often kustomizations are built in one build. One that is reached on two ways is built twice.
	maxBuilds = 512
	// maxWork is how often a patch or another change may meet an object.
	maxWork = 20_000
	// maxKustomization bounds a kustomization file, in bytes.
	maxKustomization = 1 << 20
)

// exceeded says which bound is exceeded, and by which file. The same files exceed it again.
func exceeded(path string, format string, args ...any) error {
	return &Error{reason: v1beta1.RenderingLimitExceededReason, Path: path, final: true, err: fmt.Errorf(format, args...)}
}

// product is what a kustomization comes to, with everything below it.
type product struct {
	// builds is how many kustomizations the library builds for it.
	builds int
	// objects is how many objects it has at most.
	objects int
	// work is how often a change meets an object.
	work int
	// changes is how many it makes to each of its objects itself.
	changes int
}

// add counts something below, each time that it is named.
func (p *product) add(below product) {
	p.builds += below.builds
	p.objects += below.objects
	p.work += below.work
}

// component counts a component, whose changes are tried on the objects of what names it, too.
func (p *product) component(below product) {
	p.work += below.changes * p.objects
	p.changes += below.changes
	p.add(below)
}

// change counts changes that are tried on every object.
func (p *product) change(count int) {
	p.changes += count
	p.work += count * max(p.objects, 1)
}

// check refuses what exceeds a bound.
func (p *product) check(file string) error {
	switch {
	case p.builds > maxBuilds:
		return exceeded(file,
			"the build consists of more than %d kustomizations; one that is named on several ways counts each time", maxBuilds)
	case p.objects > maxObjects:
		return exceeded(file, "the build has more than %d objects", maxObjects)
	case p.work > maxWork:
		return exceeded(file, "%d objects and the patches and other changes for them are %d changes to try, more than %d; "+
			"split the Kustomization, or give fewer patches", p.objects, p.work, maxWork)
	default:
		return nil
	}
}

// documentsIn is how many documents a patch has at most.
func documentsIn(text []byte) int {
	return bytes.Count(text, []byte("\n---")) + 1
}
