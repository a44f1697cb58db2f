import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { describe, expect, test } from 'vitest'

const program = path.resolve(import.meta.dirname, '../../../guest/rootfs/usr/lib/tcolima/clock')

/**
 * Runs the guest's script for some seconds of a world of its own: ten looks a second, a clock that is `wrong` behind the
 * host's, and a host that answers after `delay` hundredths, as `host` says. Gives the questions (when) and what was set.
 */
function run({ seconds = 60, wrong = 0, delay = 1, host = '$at', more = '' }): {
  asked: number[]
  set: number[]
} {
  const script = `
    require '${program}';
    my ($wrong, @answers, @asked, @set) = (${wrong});
    for (my $now = 0; $now <= ${seconds} * 100; $now += 10) {
      ${more}
      while (@answers && $answers[0][0] <= $now) {
        my (undef, $id, $at) = @{ shift @answers };
        my $by = clock_answer($id, $at, $now, 1e6 + $now / 100 - $wrong) or next;
        push @set, $by;
        $wrong -= $by;
      }
      my $question = clock_question($now) // next;
      push @asked, $now / 100;
      my ($id) = $question =~ /^{"type":"clock","id":(\\d+)}$/ or die $question;
      my $at = (1e6 + $now / 100 + ${delay} / 200) * 1000;
      push @answers, [$now + ${delay}, $id, ${host}];
    }
    printf '{"asked":[%s],"set":[%s]}', join(',', @asked), join(',', map { sprintf '%.2f', $_ } @set);`
  return JSON.parse(execFileSync('perl', ['-we', script], { encoding: 'utf8' })) as ReturnType<typeof run>
}

describe('the guest’s clock (B47)', () => {
  test('that is right is looked at every ten seconds, and left alone', () => {
    expect(run({ seconds: 45 })).toEqual({ asked: [0, 10, 20, 30, 40], set: [] })
    expect(run({ wrong: 0.9 }).set).toEqual([])
    expect(run({ wrong: -0.9 }).set).toEqual([])
  })

  test.each([1.5, 180, 86_400, -600])('that is %d s behind is set, once two answers say so', (wrong) => {
    const { asked, set } = run({ seconds: 25, wrong })
    expect(set).toHaveLength(1)
    expect(Math.abs((set[0] ?? 0) - wrong)).toBeLessThan(0.2)
    expect(asked).toEqual([0, 0.1, 10.1, 20.1])
  })

  test('is right again within ten seconds of a sleep, and not before', () => {
    const { set } = run({ seconds: 60, more: '$wrong = 960 if $now == 3350;' })
    expect(set).toEqual([expect.closeTo(960, 0)])
  })

  test('an answer that waited while the guest stood still sets nothing', () => {
    // The first one is as old as the sleep; the guest’s own clock has gone on.
    expect(run({ host: '$at - ($id == 2 ? 180_000 : 0)' }).set).toEqual([])
  })

  test('answers that came late, are to nothing asked or never come set nothing, and it goes on to ask', () => {
    expect(run({ wrong: 180, delay: 250 }).set).toEqual([])
    expect(run({ wrong: 180, more: '@answers = map { [$_->[0], 99, $_->[2]] } @answers;' }).set).toEqual([])
    expect(run({ wrong: 180, seconds: 100, more: '@answers = ();' })).toEqual({
      asked: [0, 30, 60, 90],
      set: [],
    })
    // A host that comes later.
    expect(run({ wrong: 180, seconds: 100, more: '@answers = () if $now < 4000;' }).set).toHaveLength(1)
  })

  test('slow answers are right too', () => {
    const { set } = run({ wrong: 180, delay: 180 })
    expect(set).toEqual([expect.closeTo(180, 0)])
  })

  test('is read as this computer reads it', () => {
    const before = Date.now() / 1000
    const read = Number(execFileSync('perl', ['-we', `require '${program}'; printf '%.6f', read_clock()`]))
    expect(read).toBeGreaterThan(before - 0.001)
    expect(read).toBeLessThan(Date.now() / 1000 + 0.001)
  })
})
