/** Formulas where there is no typesetter: simple ones in plain signs, others as the source they are. */

const SIGNS: ReadonlyMap<string, string> = new Map(
  (
    'alpha α beta β gamma γ delta δ epsilon ε varepsilon ε zeta ζ eta η theta θ iota ι kappa κ lambda λ mu μ nu ν xi ξ pi π ' +
    'rho ρ sigma σ tau τ phi φ varphi φ chi χ psi ψ omega ω Gamma Γ Delta Δ Theta Θ Lambda Λ Xi Ξ Pi Π Sigma Σ Phi Φ Psi Ψ ' +
    'Omega Ω sum ∑ prod ∏ int ∫ partial ∂ nabla ∇ infty ∞ sqrt √ pm ± times × cdot · div ÷ le ≤ leq ≤ ge ≥ geq ≥ ne ≠ neq ≠ ' +
    'approx ≈ sim ∼ equiv ≡ propto ∝ in ∈ notin ∉ subset ⊂ cup ∪ cap ∩ forall ∀ exists ∃ to → rightarrow → Rightarrow ⇒ ' +
    'ldots … dots … cdots ⋯ mid | ell ℓ log log ln ln exp exp sin sin cos cos tan tan min min max max lim lim'
  )
    .match(/\S+ \S+/g)
    ?.map(pair => pair.split(' ') as [string, string]) ?? []
);
const RAISED = '0⁰1¹2²3³4⁴5⁵6⁶7⁷8⁸9⁹+⁺-⁻=⁼(⁽)⁾nⁿiⁱTᵀ';
const LOWERED = '0₀1₁2₂3₃4₄5₅6₆7₇8₈9₉+₊-₋=₌(₍)₎aₐeₑiᵢjⱼkₖmₘnₙpₚtₜxₓ';
const ACCENTS: Readonly<Record<string, string>> = { bar: '\u0304', hat: '\u0302', tilde: '\u0303', vec: '\u20d7' };

/**
 * Return a formula in plain signs: `\sigma^2 = \frac{1}{n}` is `σ² = 1/n`.
 *
 * @param tex - the source, without the signs around it.
 * @returns the source itself, where plain signs do not do.
 */
export function plainFormula(tex: string): string {
  const plain = tex
    .replace(/\\(?:left|right|displaystyle)(?![a-zA-Z])|\\[,;!: ]|~/g, ' ')
    .replace(/\\(?:text|mathrm|mathbf|operatorname)\{([^{}\\]*)\}/g, '$1')
    .replace(/\\(bar|hat|tilde|vec)(?:\{([A-Za-z])\}|\s+([A-Za-z]))/g, (_, name: string, one?: string, other?: string) => {
      return `${one ?? other ?? ''}${ACCENTS[name] ?? ''}`;
    })
    .replace(/\\([a-zA-Z]+)/g, (whole, name: string) => SIGNS.get(name) ?? whole)
    .replace(/([\^_])(?:\{([^{}]*)\}|([^\s{}\\]))/g, (whole: string, mark: string, group?: string, one?: string) => {
      return moved(mark === '^' ? RAISED : LOWERED, group ?? one ?? '') ?? whole;
    })
    .replace(/\\frac\{([^{}]*)\}\{([^{}]*)\}/g, (_, above: string, below: string) => `${grouped(above)}/${grouped(below)}`)
    .replace(/√\{([^{}]*)\}/g, (_, inner: string) => `√${grouped(inner)}`)
    .replace(/-/g, '−')
    .replace(/(?<=[^\s(])(?=[∑∏∫])/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return /[\\{}^_&$]/.test(plain) ? tex.trim() : plain;
}

function moved(signs: string, text: string): string | null {
  const found = Array.from(text, character => signs.charAt(signs.indexOf(character) + 1 || signs.length));
  return text !== '' && found.every(Boolean) ? found.join('') : null;
}

function grouped(text: string): string {
  return /^[\p{L}\p{M}\p{N}.]+$/u.test(text) ? text : `(${text})`;
}
