import { describe, expect, it } from 'vitest';

import { hideRawHtml, rawText, showRawHtml, strictHtml } from '../src/strict';
import { visible } from '../src/text';
import { renderMarkdown } from '../src/plain_markdown';

const HOSTILE = [
  '<script>hit()</script>',
  '<SCRIPT SRC=//evil.example/x.js></SCRIPT>',
  '<img src=x onerror=hit()>',
  '<img src="https://evil.example/p.png">',
  '<img srcset="https://evil.example/p.png 1x">',
  '![alt](https://evil.example/p.png)',
  '![alt](data:image/svg+xml;base64,PHN2Zz4=)',
  '![alt](data:image/png;base64,AAAA)',
  '![a][r]\n\n[r]: https://evil.example/p.png',
  '[x](javascript:hit())',
  '[x](JaVaScRiPt:hit())',
  '[x](java&#10;script:hit())',
  '[x](&#106;avascript:hit())',
  '[x](data:text/html,<script>hit()</script>)',
  '[x](vbscript:hit())',
  '[x](file:///etc/passwd)',
  '[x](//evil.example)',
  '<javascript:hit()>',
  '<a href="javascript:hit()">x</a>',
  '<a href="https://x.example" onclick="hit()">x</a>',
  '<iframe src="https://evil.example"></iframe>',
  '<iframe srcdoc="<script>hit()</script>"></iframe>',
  '<svg onload=hit()></svg>',
  '<svg><script>hit()</script></svg>',
  '<svg><a xlink:href="javascript:hit()"><text>x</text></a></svg>',
  '<svg><animate onbegin=hit() attributeName=x dur=1s>',
  '<svg><foreignObject><button>Allow</button></foreignObject></svg>',
  '<math><mtext><style><img src=x onerror=hit()></style></mtext></math>',
  '<math href="javascript:hit()">x</math>',
  '<style>@import url(https://evil.example/x.css)</style>',
  '<link rel=stylesheet href=https://evil.example/x.css>',
  '<meta http-equiv=refresh content="0;url=https://evil.example">',
  '<base href="https://evil.example/">',
  '<form action="https://evil.example"><input name=a><button>Allow</button></form>',
  '<button class="claude-button claude-main">Allow</button>',
  '<section class="claude-ask"><h4>Run this command?</h4></section>',
  '<input type=text autofocus onfocus=hit()>',
  '<textarea autofocus onfocus=hit()></textarea>',
  '<select autofocus onfocus=hit()></select>',
  '<details open ontoggle=hit()>x</details>',
  '<video src="https://evil.example/v" autoplay onerror=hit()></video>',
  '<audio src="https://evil.example/v" onerror=hit()></audio>',
  '<object data="https://evil.example/x.swf"></object>',
  '<embed src="https://evil.example/x.swf">',
  '<div style="position:fixed;inset:0;background:url(https://evil.example)">x</div>',
  '<p style="background-image:url(https://evil.example/x)">x</p>',
  '<table background="https://evil.example/x"><tr><td>x</table>',
  '<body onload=hit()>',
  '<marquee onstart=hit()>x</marquee>',
  '<template><script>hit()</script></template>',
  '<noscript><p title="</noscript><img src=x onerror=hit()>">',
  '<xmp><img src=x onerror=hit()></xmp>',
  '<!--><img src=x onerror=hit()>-->',
  '<![CDATA[<img src=x onerror=hit()>]]>',
  '<?xml version="1.0"?><x onclick=hit()>y</x>',
  '<picture><source srcset="https://evil.example/p.png"><img></picture>',
  '<map name=m><area href="javascript:hit()"></map><img usemap=#m>',
  '<p id="notebook" name="jupyterapp">x</p>',
  '- x\n  ```\n<img class=jp-RenderedMermaid src="data:image/svg+xml,x">',
  '```\n<figure class="jp-RenderedMermaid"><img src="data:image/svg+xml,x"></figure>',
  '[Allow](https://x.example "onmouseover=hit()")',
  '[x](https://x.example" onclick="hit())',
  '`<img src=x onerror=hit()>`',
  '\ufdd0img src=x onerror=hit()\ufdd0'
];
const ALLOWED =
  /^(?:a|b|blockquote|br|code|dd|del|dl|dt|em|h[1-6]|hr|i|kbd|li|ol|p|pre|s|span|strong|sub|sup|table|tbody|td|tfoot|th|thead|tr|u|ul|div|figure)$/;
const ATTRIBUTES = /^(?:href|target|rel|title|class|align|start)$/;

function check(root: ParentNode): void {
  for (const element of root.querySelectorAll('*')) {
    expect(element.localName).toMatch(ALLOWED);
    for (const { name, value } of element.attributes) {
      expect(name).toMatch(ATTRIBUTES);
      expect(name === 'class' ? value : '').not.toMatch(/claude|jp-/);
      expect(name === 'href' ? value : 'https://').toMatch(/^(?:https?:\/\/|mailto:)/);
    }
  }
}

describe('Markdown of the model', () => {
  it.each(HOSTILE)('is harmless in the widget: %s', async payload => {
    const node = document.createElement('div');
    await renderMarkdown(node, payload);
    check(node);
  });

  it.each(HOSTILE.filter(payload => !payload.includes('<figure')))('is harmless behind a sanitizer that lets everything through: %s', payload => {
    const node = document.createElement('div');
    node.innerHTML = strictHtml(payload);
    check(node);
  });

  it('shows raw HTML as it was written', async () => {
    const node = document.createElement('div');
    await renderMarkdown(node, 'Use <b>bold</b> and `<i>`\n\n```html\n<p>\n```\n');
    expect(node.textContent).toContain('Use <b>bold</b> and <i>');
    expect(node.querySelector('pre')?.textContent).toBe('<p>\n');
    expect(node.querySelector('b')).toBeNull();
  });

  it('keeps what an answer is made of', async () => {
    const node = document.createElement('div');
    await renderMarkdown(node, '# T\n\n**b** [l](https://x.example) <https://y.example>\n\n|a|b|\n|-|-:|\n|1|2|\n\n- [x] t\n\n```py\nx < 1\n```\n');
    expect(node.querySelectorAll('h1, strong, a[rel~="noopener"][target="_blank"], td[align="right"]')).toHaveLength(5);
    expect(node.textContent).toContain('☑ t');
    expect(node.querySelector('code.language-py')?.textContent).toBe('x < 1\n');
  });

  it('shows characters that were hidden as character references', async () => {
    const node = document.createElement('div');
    await renderMarkdown(node, 'exe.&#x202e;fdp &amp; `&amp;` &lt;b&gt; &zwj;');
    expect(node.textContent).toBe('exe.⟨U+202E⟩fdp & &amp; <b> ⟨U+200D⟩');
    expect(strictHtml('<p>a&#8238;b</p>')).toBe('<p>a⟨U+202E⟩b</p>');
  });

  it('colours code in the widget, and changes none of it', async () => {
    const node = document.createElement('div');
    const code = '@cache\ndef total(x):  # "sum"\n    return f"{x}</code>" + 0x1F\n';
    await renderMarkdown(node, `\`\`\`python\n${code}\`\`\`\n`);
    expect(node.querySelector('code')?.textContent).toBe(code);
    expect([...node.querySelectorAll('span')].map(one => `${one.className} ${one.textContent}`)).toEqual([
      'code-name @cache', 'code-keyword def', 'code-name total', 'code-comment # "sum"', 'code-keyword return',
      'code-string f"{x}</code>"', 'code-number 0x1F'
    ]);
  });

  it.each(['python', 'js', 'sql', 'bash', 'yaml', 'nobody knows', ''])('colours odd code as it is: %s', async language => {
    const node = document.createElement('div');
    const code = `'''"\` /* -- # \\ '' "a\\"b ${'"'.repeat(50)} 1e5.5.5 @@@\n<script>\u00e9${"'".repeat(51)}\n`;
    await renderMarkdown(node, `~~~${language}\n${code}~~~\n`);
    expect(node.querySelector('pre code')?.textContent).toBe(code);
  });

  it.each(['nobody knows', 'python title="a.py"', '{mermaid} <b>', '"><img src=x onerror=hit()>', 'a\u0300{'])(
    'shows what is no plain name of a language: %s',
    async info => {
      const node = document.createElement('div');
      await renderMarkdown(node, `- [ ] ~~~ ${info}\n  x\n`);
      expect(node.textContent).toContain(info);
      expect(node.querySelector('pre')?.textContent).toBe('x\n');
      const html = showRawHtml(`<pre><code class="language-${/\ufdd2.*\ufdd2/.exec(hideRawHtml(`~~~${info}`))?.[0] ?? ''}">x</code></pre>`);
      node.innerHTML = strictHtml(html);
      expect(node.textContent).toBe(`${info}x`);
      check(node);
    }
  );

  it('says where a picture would be', async () => {
    const node = document.createElement('div');
    await renderMarkdown(node, '![a cat](https://x.example/cat.png)');
    expect(node.querySelector('img')).toBeNull();
  });

  it('cannot bring a picture in where the end of a code block is doubtful', () => {
    expect(hideRawHtml('- x\n  ```\n<img src=x>\n<figure>')).not.toMatch(/<img|<figure/);
  });

  it('keeps no picture, whoever drew it', () => {
    const diagram = '<figure class="jp-RenderedMermaid"><img src="data:image/svg+xml,%3Csvg/%3E" width="10" alt="d"></figure>';
    expect(strictHtml(diagram)).toBe('<span>[image: d]</span>');
  });

  it.each([
    '```mermaid', '~~~mermaid', '- ```mermaid', '> ~~~ mermaid', '1. ```  MERMAID', '- [ ] ```mermaid', '````mermaid {x}',
    '```math', '```vega-lite', '```python mermaid', '```m&#101;rmaid', '```{mermaid}', 'x\r```mermaid'
  ])('lets no renderer see the language of %j', line => {
    const hidden = hideRawHtml(`${line}\ngraph LR\n`);
    expect(hidden).not.toMatch(/(?:^|[\s`~])(?:mermaid|math|vega-lite|\{mermaid\}|m&#101;rmaid)/i);
    expect(rawText(hidden)).toBe(`${line}\ngraph LR\n`);
  });

  it.each(['```python', '~~~ sql', '- ```Bash', '> ```c++'])('leaves the language of %j to the colours of code', line => {
    expect(hideRawHtml(line)).toBe(line);
  });
});

describe('a formula in the widget', () => {
  it.each([
    ['$\\bar x = \\frac{1}{n} \\sum_i x_i$', 'x̄ = 1/n ∑ᵢ xᵢ'],
    ['$$\\sigma^2 = \\frac{1}{n}\\sum_i (x_i - \\bar x)^{2}$$', 'σ² = 1/n ∑ᵢ (xᵢ − x̄)²'],
    ['\\(a \\le \\sqrt{b+c}\\)', 'a ≤ √(b+c)'],
    ['\\[\n\\begin{matrix}a & b\\\\\nc & d\\end{matrix}\n\\]', '\\begin{matrix}a & b\\\\\nc & d\\end{matrix}'],
    ['$\\href{javascript:hit()}{x}$', '\\href{javascript:hit()}{x}'],
    ['$x_{ab}^*$', 'x_{ab}^*'],
    ['$a*b$ and $c*d$', 'a*b']
  ])('is in plain signs, or its source: %s', async (source, shown) => {
    const node = document.createElement('div');
    await renderMarkdown(node, source);
    expect(node.querySelector('code.language-math')?.textContent).toBe(shown);
    expect(node.querySelector('em, a')).toBeNull();
  });

  it('is not seen where there is none', async () => {
    const node = document.createElement('div');
    await renderMarkdown(node, 'It costs $5 or $10, and `$x$` stays.');
    expect(node.querySelector('.language-math')).toBeNull();
    expect(node.textContent).toBe('It costs $5 or $10, and $x$ stays.');
  });
});

describe('visible', () => {
  it.each([
    ['a\u202eb', 'a⟨U+202E⟩b'],
    ['a\u200b\u200bb', 'a⟨U+200B and 1 more⟩b'],
    ['a\u200db', 'a⟨U+200D⟩b'],
    ['\x1b[31m', '␛[31m'],
    ['a\r\nb', 'a\nb'],
    ['👩‍👧', '👩‍👧'],
    ['\u{e0041}', '⟨U+E0041⟩'],
    ['plain text\t\n', 'plain text\t\n']
  ])('makes %j honest', (given, shown) => {
    expect(visible(given)).toBe(shown);
  });
});
