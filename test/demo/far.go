package main

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// far is the namespace that stands for a cluster that the pipeline does not reach.
const far = "edge"

// copyStage is the stage that copies to the second registry; %s is that registry.
const copyStage = `    - name: edge
      deliver:
        copy:
          url: oci://%s/shop/beacon
          insecure: true # plain HTTP, on the loopback address
          verify:
            secretRef: {name: signers}
`

// signers is the Secret with the public key of who signs beacon; %[1]s is its namespace, %[2]q the key.
const signers = `---
apiVersion: v1
kind: Secret
metadata:
  name: signers
  namespace: %[1]s
stringData:
  cosign.pub: %[2]q
`

// farSide is what the far cluster has: an ordinary source with a range of versions, and a release; %[1]s is the
// namespace, %[2]s the second registry.
const farSide = `apiVersion: v1
kind: Namespace
metadata:
  name: %[1]s
---
apiVersion: fairlead.dev/v1beta1
kind: OCIRepository
metadata:
  name: beacon
  namespace: %[1]s
spec:
  url: oci://%[2]s/shop/beacon
  insecure: true # plain HTTP, on the loopback address
  interval: 2s
  ref:
    semver: ">=2.0.0"
  verify:
    provider: cosign
    secretRef: {name: signers}
---
apiVersion: fairlead.dev/v1beta1
kind: HelmRelease
metadata:
  name: beacon
  namespace: %[1]s
spec:
  chartRef: {kind: OCIRepository, name: beacon}
  values:
    message: far away
`

// pushCopy signs the version that production has, adds a stage that copies it to a second registry, and waits until
// a release that follows that registry runs it.
func (s *show) pushCopy(ctx context.Context) error {
	if err := s.upstream.sign(ctx, promoted+"/beacon", fixedCandidate); err != nil {
		return err
	}
	key := string(s.upstream.signer.Public)
	second := s.upstream.second.Host()
	began := time.Now()
	err := s.repository.push(ctx, "Copy beacon to the registry of the edge", map[string]string{
		followed + "/pipeline.yaml": s.pipelineManifests(fmt.Sprintf(copyStage, second)) +
			fmt.Sprintf(signers, promoted, key),
		followed + "/edge.yaml": fmt.Sprintf(farSide, far, second) + fmt.Sprintf(signers, far, key),
	})
	if err != nil {
		return err
	}
	err = s.awaitStages(ctx, "dev 2.1.1 Verified", "staging 2.1.1 Verified", "production 2.1.1 Verified",
		"edge 2.1.1 Verified")
	if err != nil {
		return err
	}
	said := ""
	return s.until(ctx, "the edge runs "+fixedCandidate, func() (bool, error) {
		hr := &v1beta1.HelmRelease{}
		err := s.cluster.Client.Get(ctx, client.ObjectKey{Namespace: far, Name: "beacon"}, hr)
		if client.IgnoreNotFound(err) != nil {
			return false, err
		}
		state, done := describe(hr, fixedCandidate)
		if state != said {
			said = state
			say("      far side    %s", state)
		}
		if done {
			say("      far side    runs %s from the second registry %s after the push", fixedCandidate, since(began))
		}
		return done, nil
	})
}
