"""Activations as Python objects: names, series, callbacks, text, hashing."""

from __future__ import annotations

import ctypes
import math
import pickle
import signal

import numpy as np
import pytest
from activations import DEFINITIONS

import lrft
from lrft.core.engine import compiled
from lrft.model.activation import FACTS, NAMES
from lrft.reference import students as twin

DOUBLE = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
Z = np.linspace(-5.0, 5.0, 41)


def test_every_activation_is_defined_here():
    """One that is added must be in the readable twin and in the tables the tests loop over."""
    assert list(DEFINITIONS) == list(NAMES) == list(twin.ACTIVATIONS)
    assert [*NAMES, "hermite", "custom"] == list(FACTS)


@pytest.mark.parametrize("kind", FACTS)
def test_facts_are_whole(kind):
    facts = FACTS[kind]
    assert facts.name == kind
    assert facts.formula
    assert facts.law
    assert facts.parameters in ("", "coefficients", "functions")
    assert facts.route in ("closed form", "finite series", "scale mixture", "quadrature")
    assert facts.linearized == (facts.route != "quadrature") == (facts.most_coefficients == 0)
    if kind in NAMES:
        assert 0 <= facts.value_error < 10
        assert 0 <= facts.slope_error < 10


def test_an_unknown_kind_is_named():
    with pytest.raises(ValueError, match="kind: unknown activation 'rleu'"):
        compiled.activation("rleu", np.empty(0))


@pytest.mark.parametrize("name", [*NAMES, "he1", "he2", "he3"])
def test_values_follow_the_definition(name):
    activation = lrft.Activation.parse(name)
    value, slope = twin.resolve_activation(name)
    # The twin's formulas lose a few ulp of the largest term, hence the absolute part.
    np.testing.assert_allclose(activation(Z), value(Z), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(activation.derivative(Z), slope(Z), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,), (2, 1, 4)])
def test_shape_is_kept(shape):
    activation = lrft.Activation.named("tanh")
    z = np.full(shape, 0.5)
    sigma, slope = activation.evaluate(z)
    assert sigma.shape == slope.shape == shape
    assert np.all(sigma == np.tanh(0.5)) or np.allclose(sigma, np.tanh(0.5), rtol=1e-15)


def test_strided_input_is_not_changed():
    z = np.arange(20.0).reshape(4, 5).T[::2]
    before = z.copy()
    assert np.array_equal(lrft.Activation.named("quadratic")(z), before**2)
    assert np.array_equal(z, before)


@pytest.mark.parametrize(
    "text", ["relu", "erf", "silu", "he1", "he64", "hermite(0.0, 0.1, -2.5e-30)", "hermite(1.5)"]
)
def test_text_round_trip(text):
    activation = lrft.Activation.parse(text)
    assert str(activation) == text
    assert lrft.Activation.parse(str(activation)) == activation
    assert pickle.loads(pickle.dumps(activation)) == activation


def test_trailing_zeros_do_not_count():
    assert lrft.Activation.hermite([0, 0, 1, 0, 0]) == lrft.Activation.parse("he2")
    assert hash(lrft.Activation.hermite([0, 1])) == hash(lrft.Activation.parse("he1"))


def test_series_is_the_sum_of_its_terms():
    a, b = lrft.Activation.parse("he2"), lrft.Activation.parse("he3")
    both = lrft.Activation.hermite([0.0, 0.0, 2.0, -0.5])
    np.testing.assert_allclose(both(Z), 2.0 * a(Z) - 0.5 * b(Z), rtol=1e-13, atol=1e-12)


def test_core_is_made_once():
    activation = lrft.Activation.named("relu")
    assert activation.core is activation.core


class TestCustom:
    def sine(self, label="sine"):
        return lrft.Activation.custom(DOUBLE(math.sin), DOUBLE(math.cos), label)

    def test_values(self):
        activation = self.sine()
        np.testing.assert_array_equal(activation(Z), [math.sin(z) for z in Z])
        np.testing.assert_array_equal(activation.derivative(Z), [math.cos(z) for z in Z])

    def test_identity_is_that_of_the_function(self):
        other = lrft.Activation.custom(DOUBLE(math.cos), DOUBLE(lambda z: -math.sin(z)))
        assert self.sine("a").identity == self.sine("b").identity
        assert self.sine().identity != other.identity

    def test_library_function_with_declared_types(self):
        import ctypes.util

        library = ctypes.CDLL(ctypes.util.find_library("m") or "libm.so.6")
        for name in ("sin", "cos"):
            getattr(library, name).restype = ctypes.c_double
            getattr(library, name).argtypes = [ctypes.c_double]
        activation = lrft.Activation.custom(library.sin, library.cos)
        np.testing.assert_allclose(activation(Z), np.sin(Z), rtol=1e-14, atol=1e-15)

    def test_scipy_callable(self):
        scipy = pytest.importorskip("scipy")
        value = scipy.LowLevelCallable(DOUBLE(math.sin))
        slope = scipy.LowLevelCallable(DOUBLE(math.cos))
        activation = lrft.Activation.custom(value, slope)
        np.testing.assert_array_equal(activation(Z), [math.sin(z) for z in Z])
        single = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_float)
        with pytest.raises(TypeError, match="signature 'double"):
            lrft.Activation.custom(scipy.LowLevelCallable(single(math.sin)), slope)
        loaded = scipy.LowLevelCallable(DOUBLE(math.sin), ctypes.c_void_p(1))
        with pytest.raises(TypeError, match="user_data"):
            lrft.Activation.custom(loaded, slope)

    def test_numba_callback(self):
        numba = pytest.importorskip("numba")
        signature = "float64(float64)"
        value = numba.cfunc(signature)(lambda z: z**3)
        slope = numba.cfunc(signature)(lambda z: 3.0 * z**2)
        np.testing.assert_allclose(lrft.Activation.custom(value, slope)(Z), Z**3, rtol=1e-15)
        wrong = numba.cfunc("float32(float32)")(lambda z: z)
        with pytest.raises(TypeError, match="one double"):
            lrft.Activation.custom(wrong, slope)

    def test_cannot_be_pickled_or_saved(self, tmp_path):
        activation = self.sine()
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(activation)
        task = lrft.Task.sample(d=20, k=3, activation=activation)
        with pytest.raises(ValueError, match="cannot be saved"):
            task.save(tmp_path / "task.npz")
        assert list(tmp_path.iterdir()) == []


class TestPythonFunctions:
    """Callbacks that ctypes makes of Python functions."""

    @staticmethod
    def task(value, slope=math.cos):
        activation = lrft.Activation.custom(DOUBLE(value), DOUBLE(slope))
        return lrft.Task.sample(d=50, k=3, activation=activation, seed=0)

    @staticmethod
    def picky(z):
        if z > 2.5:
            raise RuntimeError("too large")
        return math.sin(z)

    @pytest.mark.parametrize("engine", ["reduced", "ambient"])
    @pytest.mark.parametrize("threads", [1, 2])
    def test_what_one_raises_ends_its_replica_and_no_other(self, engine, threads):
        training = lrft.Training(lr=0.01, steps=2000, record=[2000])
        armed = []

        def once(z):
            if armed and armed.pop():
                raise RuntimeError("out of paper")
            return math.sin(z)

        simulation = lrft.Simulation(
            self.task(once), training, replicas=16, seed=3, engine=engine, threads=threads
        )
        simulation.advance(0.0)  # past the start
        armed.append(True)
        simulation.run()
        ds = simulation.dataset()
        sound = lrft.simulate(self.task(math.sin), training, replicas=16, seed=3, engine=engine)
        assert sorted(ds.status.values.tolist()) == ["failed"] + 15 * ["finished"]
        assert ds.attrs["failure"].startswith("RuntimeError: out of paper; raised by the value of")
        failed = ds.status == "failed"
        assert ds.final_loss[failed].isnull().all()
        assert ds.final_overlap_u[~failed].equals(sound.final_overlap_u[~failed])

    def test_what_one_raises_in_a_lane_that_rests_costs_nothing(self):
        """One replica: seven of eight lanes do work that nobody asked for."""
        training = lrft.Training(lr=0.01, steps=2000, record=[2000])
        calls = []

        def once(z):
            if calls:
                calls.append(z)
                if len(calls) == 4:  # the third lane of a pack
                    raise RuntimeError("out of paper")
            return math.sin(z)

        simulation = lrft.Simulation(self.task(once), training, replicas=1, seed=3, threads=1)
        simulation.advance(0.0)  # past the start
        calls.append(0.0)
        simulation.run()
        assert len(calls) > 4
        sound = lrft.simulate(self.task(math.sin), training, replicas=1, seed=3)
        ds = simulation.dataset()
        assert ds.final_loss.equals(sound.final_loss)
        assert ds.status.values.tolist() == ["finished"]
        assert ds.attrs["failure"].startswith("RuntimeError: out of paper")

    def test_what_raises_where_it_is_first_looked_at_is_refused(self):
        with pytest.raises(RuntimeError, match="too large") as caught:
            lrft.simulate(self.task(self.picky), lrft.Training(lr=0.01, steps=9))
        assert "of a custom activation at z = " in caught.value.__notes__[0]

    def test_values_and_theory(self):
        activation = self.task(self.picky).activation
        with pytest.raises(RuntimeError, match="too large"):
            activation([0.0, 3.0])
        assert activation([1.0]) == [math.sin(1.0)]  # and nothing is left of it
        with pytest.raises(RuntimeError, match="too large"):
            lrft.theory.hermite_coefficients(activation, 4)
        with pytest.raises(RuntimeError, match="too large"):
            lrft.theory.population_loss(
                self.task(self.picky), u_hat=None, c_hat=np.eye(3)[0], m=0.5
            )
        with pytest.raises(ZeroDivisionError):
            lrft.Activation.custom(DOUBLE(lambda z: 1 / z), DOUBLE(math.cos))

    def test_fits(self):
        base = lrft.Weights(
            W=np.eye(3), lam=np.ones(3), activation=self.task(self.picky).activation
        )
        X = 3 * np.random.default_rng(0).standard_normal((60, 3))
        with pytest.raises(RuntimeError, match="too large"):
            lrft.fit(base, lrft.LoRA(rank=1), X, X[:, 0], lr=0.01)

    def test_a_fit_goes_on_without_the_replica_that_met_it(self):
        armed = []

        def once(z):
            if armed and armed.pop():
                raise RuntimeError("out of paper")
            return math.sin(z)

        base = lrft.Weights(W=np.eye(3), lam=np.ones(3), activation=self.task(once).activation)
        X = np.random.default_rng(0).standard_normal((60, 3))
        fitting = lrft.Fitting(
            base, lrft.LoRA(rank=1), X, X[:, 0], lr=0.01, epochs=50, replicas=3, threads=1
        )
        fitting.advance(0.0)
        armed.append(True)
        fitting.run()
        ds = fitting.dataset()
        assert sorted(ds.status.values.tolist()) == ["failed", "finished", "finished"]
        assert "out of paper" in ds.attrs["failure"]

    def test_an_interrupt_is_no_value(self):
        calls = []

        def value(z):
            calls.append(z)
            if len(calls) == 20_000:
                signal.raise_signal(signal.SIGINT)
            return math.sin(z)

        simulation = lrft.Simulation(
            self.task(value), lrft.Training(lr=0.001, steps=10**6), replicas=8, engine="reduced"
        )
        with pytest.raises(KeyboardInterrupt):
            simulation.advance(60.0)
        statuses = {chain.status for chain in simulation.chains()}
        assert statuses == {"running"}
