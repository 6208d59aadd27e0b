package integration

import (
	"fmt"
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Of two controllers the leader is killed at each step of a promotion. The other one takes the lease and finishes it:
// the source of each stage is pointed to each version once, by its digest, and there is one record of that.
func TestTheLeaderIsKilledInAPromotion(t *testing.T) {
	ns := namespace(t)
	alone(t)
	elect := []string{
		"--leader-elect", "--leader-elect-namespace", ns,
		"--lease-duration", "4s", "--renew-deadline", "3s", "--retry-period", "1s",
	}
	leads := newVictim(t, ns, "one", elect...)
	p := newPipelineIn(t, ns, func(p *v1beta1.ReleasePipeline) { p.Spec.Stages = p.Spec.Stages[:2] })
	stages := []string{"dev", "staging"}
	p.publish("1.0.0")
	p.await("dev 1.0.0 Verified", "staging 1.0.0 Verified")
	waits := newVictim(t, ns, "two", elect...)

	for i, at := range []struct {
		name  string
		point match
	}{
		{"the decision", nth(1, writes("releasepipelines", "status"))},
		{"the source of the stage", nth(1, writes("ocirepositories", ""))},
		{"the record", nth(1, writes("promotions", ""))},
		{"the phase of the record", nth(1, writes("promotions", "status"))},
		{"the source of the second stage", nth(2, writes("ocirepositories", ""))},
		{"the record of the second stage", nth(2, writes("promotions", ""))},
	} {
		version := fmt.Sprintf("1.%d.0", i+2)
		var digest string
		leads.killAt(t, at.point, func() { digest = p.publish(version) })
		p.await("dev "+version+" Verified", "staging "+version+" Verified")
		for _, name := range stages {
			source, verified := p.digestIn(name)
			if source != digest || verified != digest {
				t.Errorf("killed at %s: %s has %s and verified %s, want %s", at.name, name, source, verified, digest)
			}
			// The generation of a source counts what it was pointed to.
			outlet := get(t, &v1beta1.OCIRepository{ObjectMeta: named(ns, "web-"+name)})
			if want := int64(i + 2); outlet.Generation != want {
				t.Errorf("killed at %s: the source of %s has generation %d, want %d: each version once", at.name, name,
					outlet.Generation, want)
			}
			record := version + " Auto Verified"
			until(t, "killed at "+at.name+": one record of "+name, func() bool {
				return strings.Count(strings.Join(p.promotions(name), ", "), record) == 1
			})
		}
		leads, waits = waits, leads
		waits.start(t)
	}
}
