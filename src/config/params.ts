import { isRecord } from './values.ts'

const use = /\{\{\s*\.Param\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}/g

/** The parameters among the values of a file, as text; what is none is left to the schema. Pure. */
export function paramsOf(values: Record<string, unknown>): Record<string, string> {
  if (!isRecord(values.param)) return {}
  return Object.fromEntries(
    Object.entries(values.param).flatMap(([name, value]) =>
      typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
        ? [[name, String(value)]]
        : [],
    ),
  )
}

/**
 * Puts parameters into the texts of a file's values, as Lima does: `{{.Param.NAME}}`. `unknown` is told the place and the
 * name of each that there is none of. Pure.
 */
export function withParams(
  values: Record<string, unknown>,
  params: Readonly<Record<string, string>>,
  unknown: (path: PropertyKey[], name: string) => void,
): Record<string, unknown> {
  const filled = (value: unknown, path: PropertyKey[]): unknown => {
    if (typeof value === 'string') {
      return value.replace(use, (whole, name: string) => {
        if (Object.hasOwn(params, name)) return params[name] ?? ''
        unknown(path, name)
        return whole
      })
    }
    if (Array.isArray(value)) return value.map((each, index) => filled(each, [...path, index]))
    if (!isRecord(value)) return value
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, filled(each, [...path, key])]))
  }
  const { param, ...rest } = values
  const whole = filled(rest, []) as Record<string, unknown>
  return 'param' in values ? { ...whole, param } : whole
}
