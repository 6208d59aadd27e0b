package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// followed is the directory of the repository that the cluster follows.
const followed = "clusters/demo"

// sources is where the charts come from; %s is the registry.
const sources = `apiVersion: fairlead.dev/v1beta1
kind: HelmRepository
metadata:
  name: charts
spec:
  type: oci
  url: oci://%s/charts
  insecure: true # plain HTTP, on the loopback address
  interval: 2s
`

// lighthouse takes its chart from the repository itself; %s is what it says.
const lighthouse = `apiVersion: fairlead.dev/v1beta1
kind: HelmRelease
metadata:
  name: lighthouse
spec:
  chart:
    spec:
      chart: charts/beacon
      sourceRef: {kind: GitRepository, name: fleet}
  values:
    message: %s
`

const beacon = `apiVersion: fairlead.dev/v1beta1
kind: HelmRelease
metadata:
  name: beacon
spec:
  chart:
    spec:
      chart: beacon
      version: ">=1.0.0 <2.0.0"
      sourceRef: {kind: HelmRepository, name: charts}
  driftDetection: {mode: enabled}
  values:
    message: from the registry
    replicaCount: 2
`

// follow has the cluster follow the repository, in which there are only the sources so far.
func (s *show) follow(ctx context.Context) error {
	started := time.Now()
	name := metav1.ObjectMeta{Namespace: "default", Name: "fleet"}
	often := &metav1.Duration{Duration: 2 * time.Second}
	kustomization := &v1beta1.Kustomization{ObjectMeta: name, Spec: v1beta1.KustomizationSpec{
		SourceRef: v1beta1.ManifestSourceReference{Kind: v1beta1.GitRepositoryKind, Name: name.Name}, Path: "./" + followed,
		Prune: true,
	}}
	err := s.cluster.Apply(ctx, kustomization, &v1beta1.GitRepository{ObjectMeta: name, Spec: v1beta1.GitRepositorySpec{
		URL: s.upstream.gitURL, Reference: &v1beta1.GitRepositoryRef{Branch: "main"}, Interval: often,
	}})
	if err != nil {
		return err
	}
	return s.until(ctx, "the cluster has what is in the repository", func() (bool, error) {
		if err := s.cluster.Client.Get(ctx, client.ObjectKeyFromObject(kustomization), kustomization); err != nil {
			return false, err
		}
		ready := meta.FindStatusCondition(kustomization.Status.Conditions, v1beta1.ReadyCondition)
		if ready == nil || ready.Status != metav1.ConditionTrue {
			return false, nil
		}
		say("      fleet       %s; %s after it was declared", ready.Message, since(started))
		return true, nil
	})
}

// pushReleases adds two releases to the repository.
func (s *show) pushReleases(ctx context.Context) error {
	started := time.Now()
	err := s.repository.push(ctx, "Install lighthouse and beacon", map[string]string{
		followed + "/lighthouse.yaml": fmt.Sprintf(lighthouse, "from Git"), followed + "/beacon.yaml": beacon,
	})
	if err != nil {
		return err
	}
	if err := s.await(ctx, map[string]string{"lighthouse": firstVersion, "beacon": firstVersion}); err != nil {
		return err
	}
	say("      both        installed %s after the push", since(started))
	return nil
}

// pushEdit changes the values of a release in the repository.
func (s *show) pushEdit(ctx context.Context) error {
	started := time.Now()
	edit := map[string]string{followed + "/lighthouse.yaml": fmt.Sprintf(lighthouse, "edited in Git")}
	if err := s.repository.push(ctx, "Change what lighthouse says", edit); err != nil {
		return err
	}
	return s.says(ctx, "edited in Git", "upgraded", started)
}

// revert takes the change back, by git revert.
func (s *show) revert(ctx context.Context) error {
	started := time.Now()
	if err := s.repository.revert(ctx); err != nil {
		return err
	}
	return s.says(ctx, "from Git", "restored", started)
}

// says waits until lighthouse runs with a message.
func (s *show) says(ctx context.Context, message, what string, pushed time.Time) error {
	said := ""
	return s.until(ctx, "lighthouse says "+message, func() (bool, error) {
		hr, err := s.release(ctx, "lighthouse")
		if err != nil {
			return false, err
		}
		state, done := describe(hr, firstVersion)
		if state != said {
			said = state
			say("      lighthouse  %s", state)
		}
		if !done || !strings.Contains(string(hr.Spec.Values.Raw), message) {
			return false, nil
		}
		say("      lighthouse  %s %s after the push: it says %q", what, since(pushed), message)
		return true, nil
	})
}

// pushRemoval takes a release out of the repository.
func (s *show) pushRemoval(ctx context.Context) error {
	started := time.Now()
	if err := s.repository.push(ctx, "Remove lighthouse",
		map[string]string{followed + "/lighthouse.yaml": ""}); err != nil {
		return err
	}
	return s.until(ctx, "lighthouse is gone", func() (bool, error) {
		_, err := s.release(ctx, "lighthouse")
		if !apierrors.IsNotFound(err) {
			return false, err
		}
		say("      lighthouse  uninstalled %s after the push", since(started))
		return true, nil
	})
}
